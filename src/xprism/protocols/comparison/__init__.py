"""The parts of ``xprism compare``: folders read, tables, tests, figures and the page that shows them."""
