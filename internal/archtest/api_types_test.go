package archtest

import (
	"cmp"
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// exported returns what a package exports, by name.
func exported(pkg *types.Package) (found []types.Object) {
	for _, name := range pkg.Scope().Names() {
		if o := pkg.Scope().Lookup(name); o.Exported() {
			found = append(found, o)
		}
	}
	return found
}

// findAliases notes what users call types of this module that are not public.
func (a *api) findAliases() {
	for _, name := range a.names() {
		for _, o := range exported(a.public[name]) {
			target := a.adopted(o)
			if target == nil {
				continue
			}
			a.aliases[target.Obj()] = append(a.aliases[target.Obj()], o.(*types.TypeName))
		}
	}
	for target, aliases := range a.aliases { // that of a package of the same name goes first
		other := func(alias *types.TypeName) int {
			if alias.Pkg().Name() == target.Pkg().Name() {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(aliases, func(x, y *types.TypeName) int { return cmp.Compare(other(x), other(y)) })
	}
}

// adopted returns the type, of this module and not public, that a public declaration
// is an alias of; nil if it is none.
func (a *api) adopted(o types.Object) *types.Named {
	name, ok := o.(*types.TypeName)
	if !ok || !name.IsAlias() {
		return nil
	}
	target, ok := types.Unalias(name.Type()).(*types.Named)
	if !ok || a.isPublic(target.Obj()) {
		return nil
	}
	return target.Origin()
}

// isPublic reports whether a declaration is of a public package, or not of this module.
func (a *api) isPublic(o types.Object) bool {
	if o.Pkg() == nil {
		return true // predeclared
	}
	pkg, ours := strings.CutPrefix(o.Pkg().Path(), module+"/")
	return !ours || a.public[pkg] != nil && o.Exported()
}

// unspeakable returns where the API names a type that its users cannot.
func (a *api) unspeakable() (wrong []string) {
	for _, pkg := range a.names() {
		for _, o := range exported(a.public[pkg]) {
			a.walk(pkg+"."+o.Name(), o, func(at string, o *types.TypeName) {
				wrong = append(wrong, fmt.Sprintf("%s speaks %s.%s, which no user can name: give it an alias in a public package, or leave it out",
					at, strings.TrimPrefix(o.Pkg().Path(), module+"/"), o.Name()))
			})
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

// walk calls found with each type that a declaration speaks and users cannot name.
func (a *api) walk(at string, o types.Object, found func(at string, o *types.TypeName)) {
	w := &walker{a, found, map[types.Type]bool{}}
	name, ok := o.(*types.TypeName)
	switch named, isNamed := o.Type().(*types.Named); {
	case !ok:
		w.speaks(at, o.Type())
	case a.adopted(o) != nil:
		w.members(at, a.adopted(o))
	case name.IsAlias():
		w.speaks(at, types.Unalias(o.Type()))
	case isNamed:
		w.members(at, named)
	}
}

type walker struct {
	*api
	found func(at string, o *types.TypeName)
	seen  map[types.Type]bool
}

// members walks over what a declared type has: type parameters, methods, and what it
// is made of.
func (w *walker) members(at string, named *types.Named) {
	w.params(at, named.TypeParams())
	switch u := named.Underlying().(type) {
	case *types.Struct:
		w.fields(at, u)
	case *types.Interface:
		w.speaks(at, u)
		return
	default:
		w.speaks(at, u)
	}
	for method := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		if method.Obj().Exported() {
			w.speaks(at+"."+method.Obj().Name(), method.Type())
		}
	}
}

// fields walks over the exported fields of a struct, and those of what it embeds.
func (w *walker) fields(at string, s *types.Struct) {
	for field := range s.Fields() {
		switch inner := structOf(field.Type()); {
		case field.Exported():
			w.speaks(at+"."+field.Name(), field.Type())
		case field.Embedded() && inner != nil && !w.seen[inner]:
			w.seen[inner] = true
			w.fields(at, inner)
		}
	}
}

// structOf returns the struct that a type or what it points to is, else nil.
func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, _ := t.Underlying().(*types.Struct)
	return s
}

func (w *walker) params(at string, list *types.TypeParamList) {
	for param := range list.TypeParams() {
		w.speaks(at+"["+param.Obj().Name()+"]", param.Constraint())
	}
}

// speaks walks over a type as it is written.
func (w *walker) speaks(at string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		if !w.isPublic(t.Obj()) {
			w.speaks(at, types.Unalias(t))
		}
		w.list(at, t.TypeArgs())
	case *types.Named:
		if o := t.Origin().Obj(); !w.isPublic(o) && w.aliases[o] == nil {
			w.found(at, o)
		}
		w.list(at, t.TypeArgs())
	case *types.Map:
		w.speaks(at, t.Key())
		w.speaks(at, t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		w.speaks(at, t.Elem())
	case *types.Signature:
		w.params(at, t.TypeParams())
		w.speaks(at, t.Params())
		w.speaks(at, t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.speaks(at, v.Type())
		}
	case *types.Struct:
		w.fields(at, t)
	case *types.Interface:
		for method := range t.ExplicitMethods() {
			if method.Exported() {
				w.speaks(at+"."+method.Name(), method.Type())
			}
		}
		for embedded := range t.EmbeddedTypes() {
			w.speaks(at, embedded)
		}
	case *types.Union:
		for term := range t.Terms() {
			w.speaks(at, term.Type())
		}
	}
}

func (w *walker) list(at string, list *types.TypeList) {
	for t := range list.Types() {
		w.speaks(at, t)
	}
}
