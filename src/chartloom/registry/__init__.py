"""Who and what is known beyond single messages: persons here, master data beside them."""
