package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mayImport says which top-level folders a package may import from, by the
// top-level folder it is in. What holds inside of one folder, inside says.
var mayImport = map[string][]string{
	"cmd":          {"sources", "sinks", "locks", "pipeline", "ratelimit", "internal"},
	"bench":        {"sources", "sinks", "pipeline", "ratelimit", "internal"},
	"examples":     {"sources", "sinks", "locks", "pipeline", "ratelimit"},
	"deploy":       {"sources", "sinks", "locks", "pipeline", "internal"}, // its tests try the manifests
	"sources":      {"pipeline", "ratelimit", "internal"},
	"sinks":        {"pipeline", "ratelimit", "internal"},
	"pipeline":     {"ratelimit", "internal"},
	"ratelimit":    {"internal"},
	"locks":        {"internal"},
	"fairleadtest": {"internal"},
	"internal":     {},
}

// pipelineMay says what the packages of the pipeline import of each other.
var pipelineMay = map[string][]string{
	"pipeline":       {"pipeline/budget"},
	"pipeline/stage": {"pipeline", "pipeline/queue"},
}

// testOnly are packages that start servers or check others. Only tests import
// them, and the trees named: demo, chaos and benchmarks are tests at heart.
var testOnly = map[string][]string{
	"fairleadtest":            {"bench", "cmd/fairlead-demo", "cmd/fairlead-chaos", "cmd/internal/lab", "fairleadtest", "internal/testenv"},
	"internal/testenv":        {"bench", "cmd/fairlead-demo", "cmd/fairlead-chaos", "cmd/internal/lab"},
	"internal/testkv":         {"cmd/fairlead-chaos", "internal/testkv"},
	"internal/testnats":       {"cmd/fairlead-chaos"},
	"internal/testserver":     {"internal/testhelm", "internal/testkubectl", "internal/testkv", "internal/testlogs", "internal/testprom", "internal/testsinks"},
	"internal/testsinks":      {"cmd/fairlead-chaos", "internal/testsinks"},
	"internal/testca":         {"bench", "fairleadtest", "internal/testenv", "internal/testserver"},
	"internal/testlogs":       {"internal/testlogs"},
	"internal/testhelm":       {"internal/testhelm"},
	"internal/testkubectl":    {"internal/testkubectl"},
	"internal/testkubelet":    {},
	"internal/testpages":      {},
	"internal/controlplane":   {"bench", "cmd/internal/lab", "fairleadtest", "internal/testkv"},
	"internal/testdb":         {"cmd/fairlead-chaos", "cmd/internal/lab", "internal/testdb"},
	"internal/testbrowser":    {"internal/testbrowser"},
	"internal/aptcache":       {"internal/testbrowser", "internal/testdb"},
	"cmd/internal/lab":        {"cmd/fairlead-demo", "cmd/fairlead-chaos", "cmd/internal/lab"},
	"internal/archtest":       {},
	"sinks/sinktest":          {"sinks/sinktest"},
	"locks/locktest":          {"locks/locktest"},
	"sources/fleet/fleettest": {"sources/fleet/fleettest"},
}

// families are the folders below which a package with a kind.go is a kind that can be
// chosen by name. Only the tables of the program import kinds, and programs that are
// tests at heart; tests may.
var families = []string{"sinks", "locks", "internal/ledger"}

// isKind reports whether a package of the repository at root is a kind.
func isKind(root, pkg string) bool {
	below := func(family string) bool { return pkg != family && within(pkg, family) }
	_, err := os.Stat(filepath.Join(root, pkg, "kind.go"))
	return err == nil && slices.ContainsFunc(families, below)
}

// tables are the files that list kinds, and the trees that have their own.
var tables = []string{"cmd/internal/app/kinds.go", "internal/ledger/stores", "cmd/fairlead-chaos", "cmd/fairlead-demo", "bench"}

// imports is one package's imports of other packages of the repository. Paths
// are relative to the repository's root.
type imports struct {
	from     string
	to       string
	file     string // the importing one
	fromTest bool   // it is a test
}

// violation explains what is wrong with an import, or returns "".
func violation(i imports) string {
	for pkg, users := range testOnly {
		if within(i.to, pkg) && !i.fromTest && !slices.ContainsFunc(users, func(user string) bool { return within(i.from, user) }) {
			return fmt.Sprintf("%s imports %s, which is for tests", i.from, i.to)
		}
	}
	if i.from == "internal/election" && !i.fromTest {
		return fmt.Sprintf("%s imports %s: it knows of locks what client-go's interface says, and of nothing else", i.from, i.to)
	}
	listed := slices.ContainsFunc(tables, func(t string) bool { return within(i.from, t) || i.file == t })
	if isKind(root, i.to) && folder(i.from) != "examples" && !i.fromTest && !listed { // examples choose one
		return fmt.Sprintf("%s imports %s: only tables of kinds, as cmd/internal/app/kinds.go, import kinds", i.file, i.to)
	}
	from, to := folder(i.from), folder(i.to)
	if within(i.from, "sources/stream/wire") && to != from && to != "internal" && !i.fromTest {
		return fmt.Sprintf("%s imports %s: it reads bytes, and knows nothing of the pipeline", i.from, i.to)
	}
	if from == to {
		return inside(i)
	}
	if to == "fairleadtest" && (i.fromTest || from != "internal" || i.from == "internal/testenv") {
		return "" // testOnly has said who may
	}
	if i.fromTest && from == "examples" && within(i.to, "internal/testenv") {
		return "" // to run them; what is copied of them cannot import it
	}
	allowed, known := mayImport[from]
	if !known {
		return fmt.Sprintf("%s is in a folder that the rules do not know: say in rules_test.go what may be imported there", i.from)
	}
	if !slices.Contains(allowed, to) {
		return fmt.Sprintf("%s imports %s: packages under %s may import only from %s", i.from, i.to, from, strings.Join(append(allowed, from), ", "))
	}
	return ""
}

// inside is violation for an import within one top-level folder.
func inside(i imports) string {
	switch folder(i.from) {
	case "cmd":
		// What lies in cmd/internal is shared by the commands.
		if child(i.from) != child(i.to) && child(i.to) != "internal" {
			return fmt.Sprintf("%s imports %s: nobody imports a command", i.from, i.to)
		}
	case "pipeline":
		// What can be imported alone imports nothing of the rest, and its tests may.
		if allowed := pipelineMay[i.from]; !i.fromTest && !slices.Contains(allowed, i.to) {
			return fmt.Sprintf("%s imports %s: of the pipeline it may import only %q", i.from, i.to, allowed)
		}
	case "sources":
		if within(i.from, "sources/stream/wire") && !within(i.to, "sources/stream/wire") {
			return fmt.Sprintf("%s imports %s: it reads bytes, and knows nothing of streams", i.from, i.to)
		}
		parent := child(i.from) == "" // composes its children
		words := i.to == "sources/member"
		if !parent && !words && child(i.from) != child(i.to) {
			return fmt.Sprintf("%s imports its sibling or parent %s", i.from, i.to)
		}
	case "sinks":
		parent := child(i.to) == "" // says what its children are
		suite := i.fromTest && within(i.to, "sinks/sinktest")
		if !parent && !suite && child(i.from) != child(i.to) {
			return fmt.Sprintf("%s imports its sibling or child %s", i.from, i.to)
		}
	case "locks":
		// A lock implements what the parent says.
		suite := i.fromTest && within(i.to, "locks/locktest")
		if i.to != "locks" && !suite && child(i.from) != child(i.to) {
			return fmt.Sprintf("%s imports %s: a lock knows no other lock", i.from, i.to)
		}
	}
	return ""
}

// folder is the first element of a path.
func folder(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// child is the second element of a path, or "".
func child(path string) string {
	_, rest, _ := strings.Cut(path, "/")
	return folder(rest)
}

// within reports whether a path is the tree or below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}
