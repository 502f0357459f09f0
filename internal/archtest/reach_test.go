package archtest

import (
	"go/ast"
	"regexp"
	"slices"
)

// tests are the declarations of one package's test files.
type tests struct {
	nodes   map[string]ast.Node // functions, types and variables; methods as "T.m"
	methods map[string][]string // by type
	openers map[string]bool     // functions that open a bubble for a function they are given
}

// entry matches what the testing package calls.
var entry = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)`)

// waitAwake returns the functions and methods of one package's test files that
// let time pass and can be reached outside of a bubble, sorted. Who names a
// function is taken to call it, and who names a type to call all of its methods.
// What waits for a bubble to settle is in one: it would panic elsewhere.
func waitAwake(files []*ast.File) []string {
	p := declarations(files)
	awake, seen := []string(nil), map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		outside := p.outside(p.nodes[name])
		if slices.ContainsFunc(outside, func(n ast.Node) bool { return is(n, "synctest", "Wait") }) {
			return
		}
		if waits(outside) {
			awake = append(awake, name)
		}
		for _, other := range slices.Concat(p.mentioned(outside), p.methods[name]) {
			visit(other)
		}
	}
	for name := range p.nodes {
		if entry.MatchString(name) {
			visit(name)
		}
	}
	slices.Sort(awake)
	return awake
}

func declarations(files []*ast.File) *tests {
	p := &tests{nodes: map[string]ast.Node{}, methods: map[string][]string{}, openers: map[string]bool{}}
	for _, file := range files {
		for _, declared := range file.Decls {
			switch d := declared.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					to := receiver(d.Recv.List[0].Type)
					name = to + "." + name
					p.methods[to] = append(p.methods[to], name)
				}
				p.nodes[name] = d
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						p.nodes[s.Name.Name] = s
					case *ast.ValueSpec:
						for _, name := range s.Names {
							p.nodes[name.Name] = s
						}
					}
				}
			}
		}
	}
	for before := -1; before < len(p.openers); { // they call each other
		before = len(p.openers)
		for name, node := range p.nodes {
			if f, ok := node.(*ast.FuncDecl); ok && takesFunction(f) && p.opens(f) {
				p.openers[name] = true
			}
		}
	}
	return p
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func takesFunction(f *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Type.Params.List, func(field *ast.Field) bool {
		_, ok := field.Type.(*ast.FuncType)
		return ok
	})
}

// opens reports whether a bubble is opened somewhere below a node.
func (p *tests) opens(root ast.Node) bool {
	for node := range ast.Preorder(root) {
		if call, ok := node.(*ast.CallExpr); ok && p.opening(call) {
			return true
		}
	}
	return false
}

func (p *tests) opening(call *ast.CallExpr) bool {
	name, ok := call.Fun.(*ast.Ident)
	return ok && p.openers[name.Name] || is(call.Fun, "synctest", "Test")
}

// outside returns the nodes below a declaration that are not in a bubble: what
// is given to whoever opens one is. Where one is opened, so is every function
// that is kept for later, as those in a table are; those that are the arguments
// of other calls run at once.
func (p *tests) outside(root ast.Node) []ast.Node {
	var found []ast.Node
	opens, atOnce := p.opens(root), map[ast.Node]bool{}
	ast.Inspect(root, func(node ast.Node) bool {
		switch n := node.(type) {
		case nil:
			return false
		case *ast.CallExpr:
			if p.opening(n) {
				return false
			}
			for _, arg := range append(n.Args, n.Fun) {
				atOnce[arg] = true
			}
		case *ast.FuncLit:
			if opens && !atOnce[n] {
				return false
			}
		}
		found = append(found, node)
		return true
	})
	return found
}

// mentioned returns which declarations the nodes name. What follows a dot, or is
// the name of a field, is another thing.
func (p *tests) mentioned(nodes []ast.Node) []string {
	other := map[*ast.Ident]bool{}
	var found []string
	for _, node := range nodes {
		switch n := node.(type) {
		case *ast.SelectorExpr:
			other[n.Sel] = true
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				other[key] = true
			}
		case *ast.Field:
			for _, name := range n.Names {
				other[name] = true
			}
		case *ast.Ident:
			if _, ok := p.nodes[n.Name]; ok && !other[n] {
				found = append(found, n.Name)
			}
		}
	}
	return found
}
