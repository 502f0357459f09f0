package archtest

import (
	"go/ast"
	"go/token"
	"slices"
)

// waits reports whether time is let pass: by time.Sleep, or by taking from a
// timer or ticker, other than in one of several cases of a select. There the
// ticks between two looks at a condition are a case like any other.
func waits(nodes []ast.Node) bool {
	timers, ticks := map[string]bool{}, map[string]bool{}
	excused := map[ast.Node]bool{}
	from := func(e ast.Expr, variables map[string]bool, makers ...string) bool {
		if selector, ok := e.(*ast.SelectorExpr); ok && selector.Sel.Name == "C" {
			e = selector.X
		}
		if name, ok := e.(*ast.Ident); ok {
			return variables[name.Name]
		}
		call, ok := e.(*ast.CallExpr)
		return ok && slices.ContainsFunc(makers, func(name string) bool { return is(call.Fun, "time", name) })
	}
	timer := func(e ast.Expr) bool { return from(e, timers, "After", "NewTimer") }
	tick := func(e ast.Expr) bool { return from(e, ticks, "Tick", "NewTicker") }
	assign := func(to, value ast.Expr) {
		if name, ok := to.(*ast.Ident); ok {
			timers[name.Name], ticks[name.Name] = timer(value), tick(value)
		}
	}
	for _, node := range nodes {
		switch n := node.(type) {
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if len(n.Lhs) == len(n.Rhs) {
					assign(to, n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, value := range n.Values {
				assign(n.Names[i], value)
			}
		case *ast.SelectStmt:
			var taken []ast.Node
			limits := 0
			for _, clause := range n.Body.List {
				if r := received(clause.(*ast.CommClause).Comm); r != nil {
					taken = append(taken, r)
					if timer(r.X) {
						limits++
					}
				}
			}
			if len(n.Body.List) > max(limits, 1) {
				for _, r := range taken {
					excused[r] = true
				}
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !excused[n] && (timer(n.X) || tick(n.X)) {
				return true
			}
		case *ast.RangeStmt:
			if tick(n.X) {
				return true
			}
		case *ast.SelectorExpr:
			if is(n, "time", "Sleep") {
				return true
			}
		}
	}
	return false
}

// received returns what a case of a select receives; nil if it does something else.
func received(comm ast.Stmt) *ast.UnaryExpr {
	var from ast.Expr
	switch s := comm.(type) {
	case *ast.ExprStmt:
		from = s.X
	case *ast.AssignStmt:
		from = s.Rhs[0]
	}
	receive, _ := from.(*ast.UnaryExpr)
	return receive
}

// is reports whether a node is pkg.name. Packages are taken by their usual names.
func is(node ast.Node, pkg, name string) bool {
	selector, ok := node.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == pkg
}
