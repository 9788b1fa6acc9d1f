"""`tidelock demo`: the order story in five acts, with real processes, real kills and a proof at the end.

`orders` reads or makes up the orders, `folder` claims the data folder, `world` runs the processes, `load`
posts, `acts` tells the story, `proof` proves it, `narrate` prints, `report` draws. `templates/` holds the
services' source, which the demo copies into its folder and runs from there.
"""
