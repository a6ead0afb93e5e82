"""Building blocks of the pages: panels, cards, tables with downloads, and charts.

Nothing here knows a table of the lake; pages bring the data. Every Bokeh model is made by a function, because a model
belongs to one document.
"""
