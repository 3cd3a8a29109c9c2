"""The customer's own words, and nothing of theirs left out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sources.parts.text import html_to_text, without_quotes

ENDLESS = "9" * 5000
"""More digits than Python reads as a number."""


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Hello&nbsp;<b>you</b></p><p>a<br>b</p>", "Hello you\n\na\nb"),
        ("<div>one</div><div>two</div>", "one\n\ntwo"),
        (
            "<table><tr><th>Pieces</th><th>Order</th></tr><tr><td>2</td><td>4711</td></tr></table>",
            "Pieces Order\n2 4711",
        ),
        ("<pre>one\r\n  two</pre>three\nfour</pre>five\nsix", "one\ntwo\nthree four\nfive six"),
        ("one<hr>two<address>three</address><center>four</center>", "one\ntwo\nthree\nfour"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<![if !mso]>shown<![endif]>", "shown"),
        ("<![x[ shown", "<![x[ shown"),
        ("<!-- hidden -->shown", "shown"),
        ("<!-- never closed <p>shown</p>", "<!-- never closed\n\nshown"),
        ("<style>p { a: '<' }</style><script>if (a<b) x()</script>shown", "shown"),
        ('<a title="1 > 0" href=x>link</a>', "link"),
        ("<a title='never closed>link</a>", "link"),
        ('<blockquote type="cite"><p>theirs</p></blockquote>mine', "mine"),
        ('mine<blockquote class="gmail_quote x">a<blockquote>b</blockquote>c</blockquote>', "mine"),
        ("<blockquote>quoted by myself</blockquote>", "quoted by myself"),
        ('<div class="gmail_quote"><div>answer between</div></div>', "answer between"),
        ('mine<div class="gmail_signature">Bob<div>CEO</div></div> too', "mine too"),
        ('<div data-class="gmail_signature">mine</div>', "mine"),
        ('mine <img class="gmail_signature" src="x"> too', "mine too"),
        ('<blockquote type="cite">nothing else</blockquote>', "nothing else"),
        ('<img src="data:' + "A" * 5000 + '">picture', "picture"),
        ("<html><head><meta charset=utf-8><title>x</title><body>mine</body></html>", "mine"),
        ("<html><head/><body>mine</body></html>", "mine"),
        (f"<p title='&#{ENDLESS};'>mine &#{ENDLESS}; too</p>", "mine \ufffd too"),
        ("", ""),
    ],
)
def test_html_reads_as_a_reader_sees_it(markup, text):
    """Tags become line ends or nothing; what mail programs marked as quoted or as signature stays out."""
    assert html_to_text(markup).replace("\n\n", "\n") == text.replace("\n\n", "\n")


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("mine\n\nOn Tue, 3 Mar 2026, Support <s@example.com> wrote:\n> theirs\n> more", "mine"),
        ("mine\n\nOn Tue, 3 Mar 2026 at 10:00, Support\n<s@example.com> wrote:\n> theirs", "mine"),
        ("> theirs\nmine", "> theirs\nmine"),
        ("> all\n> quoted", "> all\n> quoted"),
        ("mine\n-- \nBob\nCEO", "mine"),
        ("mine\n-- \nBob\n> theirs\nmine again", "mine\n-- \nBob\n> theirs\nmine again"),
        ("mine\n-----Original Message-----\nunmarked", "mine\n-----Original Message-----\nunmarked"),
        ("a list:\n> theirs", "a list:"),
        ("-- \nonly a signature", "-- \nonly a signature"),
    ],
)
def test_only_what_is_marked_is_left_out_of_plain_text(text, own):
    """Quoted lines at the end and a marked signature go; answers between the lines stay."""
    assert without_quotes(text) == own


@settings(max_examples=150, deadline=None)
@given(st.text("<>!-[]/=\"'abp &;\n", max_size=60))
def test_any_markup_is_read(markup):
    """No markup, however broken, raises."""
    html_to_text(markup)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_characters="<>&\0"), max_size=60))
def test_text_without_markup_keeps_its_words(text):
    """What holds no markup and no quote keeps every word."""
    assert html_to_text(text).split() == " ".join(text.replace("\xa0", " ").split()).split()


HOSTILE = ["<", "<!--", "</", "<a ", "<a='", '<a "', "<![", "<?", "<style>", "<a \"<b'\" ", '<a class="',
           '<blockquote type="cite"><i>', "</b>", '<a "<b>"', "<a '\"' ", "&", "-- \n", "> \n"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_markup_takes_time_in_proportion(piece):
    """Customers write this: 200 kB of any such piece is read in a fraction of a second of processor time."""
    markup = piece * (200_000 // len(piece))
    for whole in (markup, f"{markup}>", f'<x class="{markup}">'):
        started = time.process_time()
        html_to_text(whole)
        assert time.process_time() - started < 2
