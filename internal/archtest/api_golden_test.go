package archtest

import (
	"flag"
	"fmt"
	"go/constant"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var writeAPI = flag.Bool("write-api", false, "write testdata/api.txt anew")

const apiHead = "# What the public packages export. `make api` writes it anew.\n"

// TestAPIIsAsRecorded shows each change of the exported API, so that none happens
// unnoticed. A line that goes or changes may break who uses it: CHANGELOG.md tells.
func TestAPIIsAsRecorded(t *testing.T) {
	file := filepath.Join("testdata", "api.txt")
	lines := loadAPI(t).lines()
	if *writeAPI {
		if err := os.WriteFile(file, []byte(apiHead+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	recorded := strings.Split(strings.TrimSpace(strings.TrimPrefix(string(text), apiHead)), "\n")
	var diff []string
	for _, line := range recorded {
		if _, same := slices.BinarySearch(lines, line); !same {
			diff = append(diff, "- "+line)
		}
	}
	for _, line := range lines {
		if !slices.Contains(recorded, line) {
			diff = append(diff, "+ "+line)
		}
	}
	if len(diff) > 0 {
		t.Errorf("the exported API has changed:\n%s\nIf it is meant, run make api, and say it in CHANGELOG.md", strings.Join(diff, "\n"))
	}
}

// lines describes each exported declaration, field and method in one line, sorted.
func (a *api) lines() (lines []string) {
	for _, pkg := range a.names() {
		w := &writer{api: a, pkg: a.public[pkg]}
		for _, o := range exported(w.pkg) {
			w.declaration(o)
		}
		for _, line := range w.lines {
			lines = append(lines, "pkg "+pkg+", "+line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// writer writes what one package exports.
type writer struct {
	*api
	pkg   *types.Package
	lines []string
}

func (w *writer) add(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *writer) declaration(o types.Object) {
	switch o := o.(type) {
	case *types.Const:
		w.add("const %s %s = %s", o.Name(), w.text(o.Type()), w.value(o))
	case *types.Var:
		w.add("var %s %s", o.Name(), w.text(o.Type()))
	case *types.Func:
		w.add("func %s%s", o.Name(), w.signature(o.Signature()))
	case *types.TypeName:
		target := w.adopted(o)
		if target == nil && o.IsAlias() {
			w.add("type %s = %s", o.Name(), w.text(types.Unalias(o.Type())))
			return
		}
		if target == nil {
			target = o.Type().(*types.Named)
		}
		if all := w.aliases[target.Obj()]; len(all) > 1 && all[0] != o {
			w.add("type %s = %s.%s", o.Name(), all[0].Pkg().Name(), all[0].Name())
			return
		}
		w.declared(o.Name(), target)
	}
}

// value returns a constant as one reads it.
func (w *writer) value(o *types.Const) string {
	if named, ok := o.Type().(*types.Named); ok && named.String() == "time.Duration" {
		if n, exact := constant.Int64Val(o.Val()); exact {
			return time.Duration(n).String()
		}
	}
	return o.Val().ExactString()
}

// declared writes a type, its fields and its methods.
func (w *writer) declared(name string, named *types.Named) {
	var params []string
	for p := range named.TypeParams().TypeParams() {
		params = append(params, p.Obj().Name())
	}
	receiver := name
	if len(params) > 0 {
		receiver += "[" + strings.Join(params, ", ") + "]"
	}
	head := "type " + name + w.params(named.TypeParams())
	switch u := named.Underlying().(type) {
	case *types.Struct:
		w.add("%s struct", head)
		w.fields(head+" struct, ", u)
	case *types.Interface:
		w.add("%s interface", head)
		for m := range u.ExplicitMethods() {
			if m.Exported() {
				w.add("%s interface, %s%s", head, m.Name(), w.signature(m.Signature()))
			} else {
				w.add("%s interface, unexported methods", head)
			}
		}
		for e := range u.EmbeddedTypes() {
			w.add("%s interface, embeds %s", head, w.text(e))
		}
		return
	default:
		w.add("%s %s", head, w.text(u))
	}
	value := types.NewMethodSet(named)
	for method := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		m := method.Obj().(*types.Func)
		if !m.Exported() {
			continue
		}
		of := receiver
		if value.Lookup(m.Pkg(), m.Name()) == nil {
			of = "*" + of
		}
		w.add("method (%s) %s%s", of, m.Name(), w.signature(method.Type().(*types.Signature)))
	}
}

func (w *writer) fields(head string, s *types.Struct) {
	for f := range s.Fields() {
		switch inner := structOf(f.Type()); {
		case f.Exported() && f.Embedded():
			w.add("%sembeds %s", head, w.text(f.Type()))
		case f.Exported():
			w.add("%s%s %s", head, f.Name(), w.text(f.Type()))
		case f.Embedded() && inner != nil:
			w.fields(head, inner)
		}
	}
}

func (w *writer) params(list *types.TypeParamList) string {
	var params []string
	for p := range list.TypeParams() {
		params = append(params, p.Obj().Name()+" "+w.text(p.Constraint()))
	}
	if len(params) == 0 {
		return ""
	}
	return "[" + strings.Join(params, ", ") + "]"
}

// signature leaves out the names of parameters, which callers do not write.
func (w *writer) signature(s *types.Signature) string {
	nameless := func(tuple *types.Tuple) *types.Tuple {
		var vars []*types.Var
		for v := range tuple.Variables() {
			vars = append(vars, types.NewParam(0, nil, "", v.Type()))
		}
		return types.NewTuple(vars...)
	}
	text := w.text(types.NewSignatureType(nil, nil, nil, nameless(s.Params()), nameless(s.Results()), s.Variadic()))
	return w.params(s.TypeParams()) + strings.TrimPrefix(text, "func")
}

var qualified = regexp.MustCompile(`«([^»|]+)\|(\w+)»\.(\w+)`)

// text returns a type as users of the package write it.
func (w *writer) text(t types.Type) string {
	text := types.TypeString(t, func(p *types.Package) string { return "«" + p.Path() + "|" + p.Name() + "»" })
	return qualified.ReplaceAllStringFunc(text, func(name string) string {
		m := qualified.FindStringSubmatch(name)
		for target, aliases := range w.aliases {
			if target.Pkg().Path() == m[1] && target.Name() == m[3] {
				own := slices.IndexFunc(aliases, func(alias *types.TypeName) bool { return alias.Pkg() == w.pkg })
				alias := aliases[max(own, 0)]
				m[1], m[2], m[3] = alias.Pkg().Path(), alias.Pkg().Name(), alias.Name()
				break
			}
		}
		if m[1] == w.pkg.Path() {
			return m[3]
		}
		return m[2] + "." + m[3]
	})
}
