"""Know what is wrong with the data before the model does: an audit that reads everything and indexes nothing."""
