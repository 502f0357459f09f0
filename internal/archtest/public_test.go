package archtest

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// publicTrees are the top-level folders whose packages are public API, but for mains
// and the engine's own.
var publicTrees = []string{"fairleadtest", "locks", "pipeline", "ratelimit", "sinks", "sources"}

// engine are the trees below publicTrees that the program alone is made of. Nobody
// else has a use for them, so they may change at any time. What users need of one has
// an alias in a public package.
var engine = []string{
	"sinks/deadletter",
	"sinks/fenced",
	"sources/connection",
	"sources/stream",
}

// isPublic reports whether the package in a folder is public API.
func isPublic(pkg, name string) bool {
	return name != "main" && slices.Contains(publicTrees, folder(pkg)) && !slices.Contains(strings.Split(pkg, "/"), "internal") &&
		!slices.ContainsFunc(engine, func(tree string) bool { return within(pkg, tree) })
}

// No user can write the name of an internal type, nor make a value of one. So each
// type in the API is one of a public package, or has an alias in one.
func TestAPISpeaksNoInternalType(t *testing.T) {
	for _, wrong := range loadAPI(t).unspeakable() {
		t.Error(wrong)
	}
}

// The table of ARCHITECTURE.md says what of the folders is public API.
func TestArchitectureListsTheAPI(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Public API\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(section, -1) {
		for name := range strings.SplitSeq(row[1], ",") {
			listed = append(listed, strings.Trim(name, " `"))
		}
	}
	slices.Sort(listed)
	if public := loadAPI(t).names(); !slices.Equal(listed, public) {
		t.Errorf("section Public API of ARCHITECTURE.md lists\n%v\nand public are\n%v", listed, public)
	}
	for _, tree := range engine {
		if !strings.Contains(section, "`"+tree+"`") {
			t.Errorf("section Public API of ARCHITECTURE.md does not tell that %s is the engine's own", tree)
		}
	}
}

// A package that one can import says first how it is used.
func TestPublicPackagesTellTheirUsage(t *testing.T) {
	for _, name := range loadAPI(t).names() {
		text, err := os.ReadFile(filepath.Join(root, name, "doc.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n// # Usage\n") {
			t.Errorf("%s/doc.go has no section Usage", name)
		}
	}
}

// Documentation sites show the engine's packages beside the public ones. So each says
// first that it promises nothing.
func TestEnginePackagesPromiseNothing(t *testing.T) {
	const promise = "part of Fairlead's engine. Other modules can import it, but its API may change at any time."
	for _, pkg := range packageFolders(t) {
		if !slices.ContainsFunc(engine, func(tree string) bool { return within(pkg, tree) }) {
			continue
		}
		text := packageComment(t, pkg)
		paragraphs := strings.SplitN(text, "\n\n", 3)
		if len(paragraphs) < 2 || !strings.Contains(strings.Join(strings.Fields(paragraphs[1]), " "), promise) {
			t.Errorf("the second paragraph of the comment of package %s does not say that it is %q", pkg, promise)
		}
	}
}

// packageComment returns what go doc shows of a package first.
func packageComment(t *testing.T, pkg string) string {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if file.Doc != nil && !strings.HasSuffix(source, "_test.go") {
			return file.Doc.Text()
		}
	}
	return ""
}
