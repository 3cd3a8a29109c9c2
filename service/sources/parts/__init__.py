"""What several kinds of helpdesk share, once each."""
