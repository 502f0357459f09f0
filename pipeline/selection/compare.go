package selection

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// comparison compares a field of the object with texts: ==, != and in, of a path that
// is known when the expression is compiled. Most expressions consist of them, so that
// they are evaluated on the bytes of the object, without making a value:
//
//	object.metadata.namespace == 'web'
//	object.metadata.?labels['team'].orValue('') == 'web'
//	object.status.phase in ['Failed', 'Unknown']
//
// Whatever it cannot decide, such as a field that is not there, CEL decides.
type comparison struct {
	field    use
	fallback string // of orValue: what is compared if an optional step leads nowhere
	texts    []string
	not      bool // !=
}

// findComparisons returns the comparisons of an expression, by the number of their node.
func findComparisons(tree *ast.AST) map[int64]*comparison {
	found := map[int64]*comparison{}
	var visit func(ast.Expr)
	visit = func(e ast.Expr) {
		if c, ok := comparisonOf(e); ok {
			found[e.ID()] = c
			return
		}
		if e.Kind() == ast.ComprehensionKind {
			return // what is evaluated once reads the object once
		}
		for _, child := range children(e) {
			visit(child)
		}
	}
	visit(tree.Expr())
	return found
}

func comparisonOf(e ast.Expr) (*comparison, bool) {
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil, false
	}
	c := &comparison{not: e.AsCall().FunctionName() == operators.NotEquals}
	left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
	switch e.AsCall().FunctionName() {
	case operators.Equals, operators.NotEquals:
		text, ok := textOf(right)
		if !ok {
			left = right
			text, ok = textOf(e.AsCall().Args()[0])
		}
		if c.texts = []string{text}; !ok {
			return nil, false
		}
	case operators.In:
		if right.Kind() != ast.ListKind {
			return nil, false
		}
		for _, element := range right.AsList().Elements() {
			text, ok := textOf(element)
			if c.texts = append(c.texts, text); !ok {
				return nil, false
			}
		}
	default:
		return nil, false
	}
	ok := c.read(left)
	return c, ok
}

// read reads what is compared: a field of the object, or its orValue.
func (c *comparison) read(e ast.Expr) (ok bool) {
	optional := false
	if e.Kind() == ast.CallKind && e.AsCall().IsMemberFunction() && e.AsCall().FunctionName() == "orValue" {
		call := e.AsCall()
		if c.fallback, ok = textOf(call.Args()[0]); !ok {
			return false
		}
		optional, e = true, call.Target()
	}
	c.field, ok = useOf(e)
	return ok && c.field.variable == "object" && !c.field.test && len(c.field.steps) > 0 && c.field.optional() == optional
}

// decide compares, or says that it cannot.
func (c *comparison) decide(root *object) (result, ok bool) {
	o, optional := root, false
	for i, step := range c.field.steps {
		optional = optional || step.optional
		m := o.get(step.name)
		switch {
		case m == nil && optional:
			return slices.Contains(c.texts, c.fallback) != c.not, true
		case m == nil:
			return false, false
		case i == len(c.field.steps)-1:
			return c.has(m.value) != c.not, true
		case m.value.Kind() != jsonwalk.Object:
			return false, false
		case o == root && o.metadata != nil && step.name == "metadata":
			o = o.metadataOf(m)
		default:
			return c.decideIn(m.value, i+1, optional)
		}
	}
	return false, false
}

// decideIn goes on in an object of which nothing is remembered.
func (c *comparison) decideIn(v jsonwalk.Value, from int, optional bool) (result, ok bool) {
	for i := from; i < len(c.field.steps); i++ {
		optional = optional || c.field.steps[i].optional
		if v.Kind() != jsonwalk.Object {
			return false, false
		}
		if v = v.Get(c.field.steps[i].name); len(v) == 0 {
			return optional && slices.Contains(c.texts, c.fallback) != c.not, optional
		}
	}
	return c.has(v) != c.not, true
}

// has reports whether a value is one of the texts. What is no text equals none.
func (c *comparison) has(v jsonwalk.Value) bool {
	for _, text := range c.texts {
		if v.Is(text) {
			return true
		}
	}
	return false
}

// compared is a node of a program that a comparison stands for.
type compared struct {
	interpreter.InterpretableV2
	*comparison
}

// Exec implements interpreter.InterpretableV2.
func (c *compared) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if o, found := frame.ResolveName("object"); found {
		if root, ours := o.(*object); ours {
			if result, ok := c.decide(root); ok {
				return types.Bool(result)
			}
		}
	}
	return c.InterpretableV2.Exec(frame)
}

// Eval implements interpreter.Interpretable.
func (c *compared) Eval(a interpreter.Activation) ref.Val { return c.Exec(interpreter.AsFrame(a)) }

// withComparisons puts comparisons into a program.
func withComparisons(found map[int64]*comparison) interpreter.InterpretableDecoratorV2 {
	return func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if c := found[i.ID()]; c != nil {
			if _, call := i.(interpreter.InterpretableCall); call {
				return &compared{i, c}, nil
			}
		}
		return i, nil
	}
}
