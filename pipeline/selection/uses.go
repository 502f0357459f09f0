package selection

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// use is one place where an expression reads a variable: object.metadata.name is object
// with two steps.
type use struct {
	variable string
	steps    []useStep
	test     bool // has() asks whether it is there
}

// useStep is .name, .?name, ['name'] or [?'name'].
type useStep struct {
	name     string
	optional bool
	index    bool
}

type uses []use

// findUses returns where an expression reads variables. Of a step that is not known
// before it is evaluated, what is before it is used, whole.
func findUses(tree *ast.AST) (found uses) {
	var visit func(ast.Expr)
	visit = func(e ast.Expr) {
		if u, ok := useOf(e); ok {
			found = append(found, u)
			return
		}
		for _, child := range children(e) {
			visit(child)
		}
	}
	visit(tree.Expr())
	return found
}

// useOf reads e as a variable with steps.
func useOf(e ast.Expr) (u use, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		return use{variable: name}, slices.Contains([]string{"object", "cluster", "change"}, name)
	case ast.SelectKind:
		s := e.AsSelect()
		u, ok = useOf(s.Operand())
		u.test = s.IsTestOnly()
		return u.with(useStep{name: s.FieldName()}), ok
	case ast.CallKind:
		c := e.AsCall()
		operator := c.FunctionName()
		if !slices.Contains([]string{operators.Index, operators.OptIndex, operators.OptSelect}, operator) || len(c.Args()) != 2 {
			return u, false
		}
		name, isText := textOf(c.Args()[1])
		u, ok = useOf(c.Args()[0])
		return u.with(useStep{name: name, optional: operator != operators.Index, index: operator != operators.OptSelect}), ok && isText
	}
	return u, false
}

func (u use) with(s useStep) use {
	u.steps = append(slices.Clip(u.steps), s)
	return u
}

// optional reports whether the value is an optional one.
func (u use) optional() bool {
	return slices.ContainsFunc(u.steps, func(s useStep) bool { return s.optional })
}

// textOf returns the text that a literal is.
func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

func children(e ast.Expr) (all []ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			all = append(all, c.Target())
		}
		return append(all, c.Args()...)
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			all = append(all, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			all = append(all, field.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	}
	return all
}

// check returns what is wrong with the fields that are read.
func (all uses) check() error {
	var errs []error
	for _, u := range all {
		if u.variable != "object" || len(u.steps) == 0 {
			continue
		}
		known := slices.Sorted(maps.Keys(fieldTypes["Object"]))
		if first := u.steps[0]; !first.index && !slices.Contains(known, first.name) {
			errs = append(errs, fmt.Errorf("object has no field %q%s Write object['%s'] for a field that only custom resources have",
				first.name, orStop(didYouMean(first.name, known)), first.name))
		}
		if u.steps[0].name != "metadata" || len(u.steps) == 1 {
			continue
		}
		known = slices.Sorted(maps.Keys(fieldTypes["ObjectMeta"]))
		switch second := u.steps[1]; {
		case second.name == "managedFields":
			errs = append(errs, errors.New("metadata.managedFields cannot be read: it is removed before"))
		case !slices.Contains(known, second.name):
			errs = append(errs, fmt.Errorf("metadata has no field %q%s", second.name, didYouMean(second.name, known)))
		}
	}
	return errors.Join(errs...)
}

func orStop(hint string) string {
	if hint == "" {
		return "."
	}
	return hint
}

// whole reports whether more of the object is read than what its metadata tells.
func (all uses) whole() bool {
	return slices.ContainsFunc(all, func(u use) bool {
		return u.variable == "object" && (len(u.steps) == 0 || !slices.Contains([]string{"apiVersion", "kind", "metadata"}, u.steps[0].name))
	})
}

// change reports whether it is read how the state came.
func (all uses) change() bool {
	return slices.ContainsFunc(all, func(u use) bool { return u.variable == "change" })
}

// cluster returns what is read of the cluster: name, uid, labels, labels/KEY.
func (all uses) cluster() (fields []string) {
	for _, u := range all {
		switch {
		case u.variable != "cluster":
		case len(u.steps) == 0:
			fields = append(fields, "name", "uid", "labels")
		case u.steps[0].name == "labels" && len(u.steps) > 1:
			fields = append(fields, "labels/"+u.steps[1].name)
		default:
			fields = append(fields, u.steps[0].name)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}
