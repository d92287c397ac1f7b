"""The steps that a transaction can take, in groups: in each, what is found and kept of one kind of facts.

They are **set-shaped**: they take many and return many, so that one answer and a thousand cost as many statements.
Points in time are aware `datetime`s in UTC, or seconds since 1970 where only lengths of time count. A job is known by
an id, which its store gives it in the order of import. Any step may raise `StoreError`.
"""
