package selection

import (
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// bytesPerCost is how many bytes of a value cost one unit when an expression reads it.
const bytesPerCost = 64

// meterName is the variable under which the nodes of a program find what they count
// on. No expression can name it.
const meterName = "@evaluation"

// A meter counts what an evaluation costs: for each round of a macro such as exists(),
// the operations in it; for each value that is read, its length. The functions that an
// expression can call take a time that grows with the length of what they are given,
// see checkCalls. CEL's own count takes a time that grows with the square of the rounds.
func withMeter(rounds map[int64]int) interpreter.InterpretableDecoratorV2 {
	return func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if _, metered := i.(*meteredField); metered {
			return i, nil
		}
		if cost := rounds[i.ID()]; cost > 0 {
			if _, field := i.(interpreter.InterpretableAttribute); !field {
				return &meteredRound{i, cost}, nil
			}
		}
		if field, ok := i.(interpreter.InterpretableAttribute); ok {
			return &meteredField{field}, nil
		}
		return i, nil
	}
}

// findRounds returns what a round of each macro costs, by the node that is evaluated
// before each.
func findRounds(e ast.Expr, found map[int64]int) (operations int) {
	if e.Kind() == ast.ComprehensionKind {
		c := e.AsComprehension()
		found[c.LoopCondition().ID()] = findRounds(c.LoopCondition(), found) + findRounds(c.LoopStep(), found)
		return 1 + findRounds(c.IterRange(), found) + findRounds(c.AccuInit(), found) + findRounds(c.Result(), found)
	}
	operations = 1
	for _, child := range children(e) {
		operations += findRounds(child, found)
	}
	return operations
}

// spend reports whether an evaluation may go on.
func spend(frame *interpreter.ExecutionFrame, cost int) bool {
	found, _ := frame.ResolveName(meterName)
	e, ok := found.(*evaluation)
	if !ok {
		return false
	}
	e.cost += cost
	return e.cost <= CostLimit
}

// meteredRound is the condition of a macro, which is evaluated before each round.
type meteredRound struct {
	interpreter.InterpretableV2
	cost int
}

// Exec implements interpreter.InterpretableV2.
func (m *meteredRound) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if !spend(frame, m.cost) {
		return types.False // ends the macro
	}
	return m.InterpretableV2.Exec(frame)
}

// Eval implements interpreter.Interpretable.
func (m *meteredRound) Eval(a interpreter.Activation) ref.Val {
	return m.Exec(interpreter.AsFrame(a))
}

// meteredField is where an expression reads a variable, or a field of one.
type meteredField struct {
	interpreter.InterpretableAttribute
}

// Exec implements interpreter.InterpretableV2.
func (m *meteredField) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := m.InterpretableAttribute.Exec(frame)
	if !spend(frame, 1+length(v)/bytesPerCost) {
		return types.NewErr("cost limit exceeded")
	}
	return v
}

// Eval implements interpreter.Interpretable.
func (m *meteredField) Eval(a interpreter.Activation) ref.Val {
	return m.Exec(interpreter.AsFrame(a))
}

// length is that of a value in bytes, as it stands in the object.
func length(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case *list:
		return v.bytes()
	case *object:
		return v.bytes()
	}
	return 0
}
