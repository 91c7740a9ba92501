"""Why a value of a snapshot is what it is: the rows and columns it is made of."""
