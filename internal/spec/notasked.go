package spec

import "errors"

// ErrNotAsked says that something could not be tried without an effect on others, and was left
// alone: nothing is known of it, which is no fault.
var ErrNotAsked = errors.New("it was not asked")

// NotAsked returns an error with a text of its own that is ErrNotAsked.
func NotAsked(text string) error { return inUse{text, ErrNotAsked} }
