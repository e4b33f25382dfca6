"""Templates of what `whiteline deploy init` writes; `@{name}` stands for a value, `@if name` … `@end` for a choice."""
