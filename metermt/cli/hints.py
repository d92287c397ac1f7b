"""Commands that somebody may have meant."""

from difflib import get_close_matches

import click


class HintingGroup(click.Group):
    """A group that says which of its commands may have been meant, or which one of another group."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = _of_another_group(ctx, args[0]) or get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not meant:
                raise
            raise click.UsageError(f"No such command {args[0]!r}: did you mean {meant[0]!r}?", ctx) from error


def _of_another_group(ctx: click.Context, name: str) -> list[str]:
    """Return the command of this very name that one other group of the program has, as it is typed."""
    if ctx.parent is None or not isinstance(ctx.parent.command, click.Group):
        return []
    whole, root = ctx.parent.command, ctx.parent
    groups = {one: whole.get_command(root, one) for one in whole.list_commands(root)}
    found = [one for one, group in groups.items() if isinstance(group, click.Group) and group.get_command(root, name)]
    return [f"{root.info_name} {one} {name}" for one in found] if len(found) == 1 else []
