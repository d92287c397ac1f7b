"""The desktop window of a reader: `presenter` knows what to do, `views` draw, `background` waits, `app` joins them."""
