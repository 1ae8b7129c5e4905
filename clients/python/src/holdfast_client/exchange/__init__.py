"""HTTP exchanges with Holdfast.

`steps` says what to send and when to retry, without doing it. `blocking` and `asynchronous` do it.
"""
