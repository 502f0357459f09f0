package app

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// codeOf returns declarations of one of the repository's Go files as a page shows them,
// with what they import. The arguments are the file and the names of the declarations;
// methods come with their type. Files of examples are compiled, and most of them run.
func codeOf(t *testing.T, arguments []string) string {
	t.Helper()
	file := filepath.Join("../../..", arguments[0])
	text := must(os.ReadFile(file))(t)
	fset := token.NewFileSet()
	parsed := must(parser.ParseFile(fset, file, text, parser.ParseComments))(t)
	source := func(from, to token.Pos) string {
		return string(text[fset.Position(from).Offset:fset.Position(to).Offset])
	}
	var code []string
	used, found := map[string]bool{}, map[string]bool{}
	for _, declared := range parsed.Decls {
		name, doc := declarationName(declared)
		if !slices.Contains(arguments[1:], name) {
			continue
		}
		found[name] = true
		from := declared.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		code = append(code, source(from, declared.End()))
		ast.Inspect(declared, func(n ast.Node) bool {
			if of, ok := n.(*ast.SelectorExpr); ok {
				if name, ok := of.X.(*ast.Ident); ok {
					used[name.Name] = true
				}
			}
			return true
		})
	}
	if len(found) != len(arguments)-1 {
		t.Fatalf("%s declares of %v only %v", arguments[0], arguments[1:], found)
	}
	return "```go\n" + importsOf(t, parsed, used) + strings.Join(code, "\n\n") + "\n```\n"
}

// declarationName returns the name of a declaration, of a method that of its type.
func declarationName(declared ast.Decl) (name string, doc *ast.CommentGroup) {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Name.Name, d.Doc
		}
		of := d.Recv.List[0].Type
		if pointer, ok := of.(*ast.StarExpr); ok {
			of = pointer.X
		}
		return fmt.Sprint(of), d.Doc
	case *ast.GenDecl:
		if s, ok := d.Specs[0].(*ast.TypeSpec); ok {
			return s.Name.Name, d.Doc
		}
	}
	return "", nil
}

// importsOf returns the imports of a file that are used, in their groups.
func importsOf(t *testing.T, file *ast.File, used map[string]bool) string {
	var groups [3][]string // standard library, others, ours
	for _, s := range file.Imports {
		imported := must(strconv.Unquote(s.Path.Value))(t)
		name, line := packageName(imported), s.Path.Value
		if s.Name != nil {
			name, line = s.Name.Name, s.Name.Name+" "+line
		}
		switch {
		case !used[name]:
		case strings.HasPrefix(imported, "github.com/fairlead-dev/"):
			groups[2] = append(groups[2], line)
		case strings.Contains(imported, "."):
			groups[1] = append(groups[1], line)
		default:
			groups[0] = append(groups[0], line)
		}
	}
	var text []string
	for _, group := range groups {
		if len(group) > 0 {
			text = append(text, strings.Join(group, "\n"))
		}
	}
	return string(must(format.Source([]byte("import (\n" + strings.Join(text, "\n\n") + "\n)\n\n")))(t))
}

// packageName is what the package of an import path is called as a rule: github.com/minio/minio-go/v7
// is minio.
func packageName(imported string) string {
	if base := path.Base(imported); regexp.MustCompile(`^v\d+$`).MatchString(base) {
		imported = path.Dir(imported)
	}
	return strings.TrimSuffix(path.Base(imported), "-go")
}
