"""stub"""
overview = none = letters = letter = letter_html = letter_source = lambda request, **kw: None
