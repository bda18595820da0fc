"""The console: pages that show what the product does, and let a person act.

Served by `triage console` and `make up`. Every page is rendered here and works without JavaScript; htmx only fetches
news. How a page is added:

1. A module in `pages/` with `ROUTES`, a list of Starlette `Route`s. A handler is a plain function (not `async`: it
   runs in a thread and may ask Postgres) that takes the request and returns `desk.page(request, "NAME.html",
   **values)`. `desk.desk(request)` has the services, `desk.visit(request).who` says who looks. Add the module to
   `MODULES` in `app.py`, and a `Tab` to `TABS` there, if it belongs into the navigation.
2. A template `templates/NAME.html` that extends `frame.html`, sets the block `title`, and fills the block `page`.
   The macros of `parts.html` (status, links, buttons) and the filters of `words.py` (moments, durations, money) are
   known everywhere, without an import. Everything is escaped. Neither scripts nor styles may stand in it, the
   headers forbid them: classes are in `static/console.css`, a bar is a `<meter>` or an SVG.
3. What stays up to date goes into the block `live`, instead of `page`. Say `{% set live = true %}` at the template's
   top: then the page asks for itself every 2 s while its tab can be seen, gets only that block, and morphs it into
   what is there, so that open details, chosen boxes and the focus stay. Forms that a person types into stand outside
   of it: a template that needs more around it than the block `below` writes the `div` with the id `live` itself, as
   `runs.html` does. The block is rendered alone, so it knows the values of `desk.page` and nothing that the template
   sets at its top.
4. An action is a `Route` with `methods=["POST"]`. The gate has checked the session, the form's token and its origin
   before the handler runs. `desk.form(request).get("field")` reads it, `desk.operations(request)` acts in the
   visitor's name, `desk.back(request, "/path", "what happened")` leads on (and a repeated reload does nothing
   again). Every form needs `{{ csrf_field(visit) }}`.
   What is dangerous gets a page of its own with `GET` that says what will
   happen and has the form. `NotAllowed` and `RunNotFound` that a handler does not catch become a page that says so.
5. A chart is made in `charts.py` (numbers to paths; `graphs.py` has those of Overview) and drawn by the macros of
   `charts.html`, which a block imports itself. What is dear to ask and shown live is kept by `kept.Kept` for a while.
"""
