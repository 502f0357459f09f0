package selection

import (
	"strconv"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// maxElements bounds the members of an object, and the elements of a list, that are
// made into values at once. A walk over them, as in exists(), needs no such bound.
const maxElements = 100_000

// maxNesting bounds how deep objects and lists that are compared nest: each is walked
// over once for every one that it is in.
const maxNesting = 100

// errLarge returns a new error each time, as CEL writes into those that it is given.
func errLarge() ref.Val {
	return types.NewErr("has more than %d elements, or nests deeper than %d", maxElements, maxNesting)
}

// mayCompare reports whether a value may be compared as a whole. CEL does not tell of an
// error deep within a comparison, so that it is asked for before.
func mayCompare(v jsonwalk.Value) bool {
	depth, elements := 0, 0
	for rest := v.Bytes(); len(rest) > 0; rest = rest[1:] {
		switch rest[0] {
		case '"':
			n := len(jsonwalk.Value(rest).Bytes())
			rest = rest[n-1:]
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			elements++
		}
		if depth > maxNesting || elements > maxElements {
			return false
		}
	}
	return true
}

var adapter = types.DefaultTypeAdapter

// valueOf returns what an expression sees of a JSON value. Objects and lists are read
// when something in them is asked for. A number is an int if it is written as one and
// fits into 64 bits, else a double, as API servers have it.
func valueOf(v jsonwalk.Value, comparable bool) ref.Val {
	switch v.Kind() {
	case jsonwalk.Object:
		return &object{json: v, comparable: comparable}
	case jsonwalk.List:
		return &list{json: v, comparable: comparable, size: -1}
	case jsonwalk.String:
		return types.String(v.Text())
	case jsonwalk.Bool:
		return types.Bool(v.True())
	case jsonwalk.Number:
		return number(v.Bytes())
	case jsonwalk.Null:
		return types.NullValue
	}
	return types.NewErr("no value")
}

func number(text []byte) ref.Val {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return types.Int(n)
	}
	f, _ := strconv.ParseFloat(string(text), 64) // beyond the range: infinite
	return types.Double(f)
}
