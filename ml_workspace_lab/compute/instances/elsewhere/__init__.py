"""The process of an instance whose server is a job elsewhere: it has the job done, tells how that
is, and passes on what goes between a user here and the server there."""
