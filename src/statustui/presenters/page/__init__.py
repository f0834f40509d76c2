"""The public page in words and figures: what a page's values say, before anything is markup."""
