"""The fields of ``RunConfig`` by the group of the form that shows them. Imports what options of a run are made of."""
