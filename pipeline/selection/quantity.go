package selection

import (
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// maxQuantity bounds the text of a quantity, in bytes, and maxExponent its decimal exponent.
// To read or to compare a number such as 1e2000000000 takes a gigabyte.
const (
	maxQuantity = 64
	maxExponent = 30
)

// soundQuantity reports whether a text may be read as a quantity.
func soundQuantity(text string) bool {
	if len(text) > maxQuantity {
		return false
	}
	i := strings.LastIndexAny(text, "eE")
	if i < 0 || i == len(text)-1 { // E alone is a suffix
		return true
	}
	exponent, err := strconv.Atoi(text[i+1:])
	return err != nil || -maxExponent <= exponent && exponent <= maxExponent
}

// boundedQuantity is a call of quantity or isQuantity.
type boundedQuantity struct {
	interpreter.InterpretableV2
	text interpreter.InterpretableV2
	asks bool // isQuantity
}

// withBounds has quantities bounded before they are read.
func withBounds(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 1 || call.Function() != "quantity" && call.Function() != "isQuantity" {
		return i, nil
	}
	return &boundedQuantity{i, call.Args()[0], call.Function() == "isQuantity"}, nil
}

// Exec implements interpreter.InterpretableV2.
func (b *boundedQuantity) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if text, ok := b.text.Exec(frame).(types.String); ok && !soundQuantity(string(text)) {
		if b.asks {
			return types.False
		}
		return types.NewErr("the quantity is too long, or has too large an exponent")
	}
	return b.InterpretableV2.Exec(frame)
}

// Eval implements interpreter.Interpretable.
func (b *boundedQuantity) Eval(a interpreter.Activation) ref.Val {
	return b.Exec(interpreter.AsFrame(a))
}
