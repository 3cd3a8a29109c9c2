"""The version of this software, as its metadata and the changelog have it."""

VERSION = "0.1.0"
