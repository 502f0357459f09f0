package selection

import (
	"errors"
	"fmt"
	"strings"
)

// reasons are the errors of an evaluation that say nothing of the object, and what to
// do about them.
var reasons = []struct{ text, shown string }{
	{"no such overload", "an operator or a function cannot take a value of such a type"},
	{"division by zero", "division by zero"},
	{"modulus by zero", "modulus by zero"},
	{"overflow", "a number is out of range"},
	{"index out of bounds", "an index is out of the list's bounds"},
	{"nests deeper", fmt.Sprintf("a list or map has more than %d elements, or nests deeper than %d", maxElements, maxNesting)},
	{"optional.none() dereference", "an optional value is not there; write .orValue()"},
}

// reason returns why an expression could not be evaluated. CEL's errors quote values
// that may be as long and as secret as what a member has put into its object: the
// reason quotes the expression alone.
func (e *expression) reason(err error) error {
	if errors.Is(err, errNoBool) || errors.Is(err, errCost) || errors.Is(err, ErrMetadataOnly) {
		return err
	}
	text := err.Error()
	if key, missing := strings.CutPrefix(text, "no such key: "); missing {
		// A key may be the object's own, if the expression has read it there.
		if len(key) <= 100 && strings.Contains(e.text, key) {
			return fmt.Errorf("the object has no %q where it was looked for; write .?%[1]s and .orValue(), or ask has() before", key)
		}
		return errors.New("the object has no such key; write [?key] and .orValue(), or ask for it with in before")
	}
	for _, r := range reasons {
		if strings.Contains(text, r.text) {
			return errors.New(r.shown)
		}
	}
	return errors.New("a function cannot take a value of the object")
}

var (
	errNoBool = errors.New("it is neither true nor false")
	errCost   = fmt.Errorf("it costs more than %d on this object", CostLimit)
)
