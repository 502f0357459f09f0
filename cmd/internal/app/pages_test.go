package app

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sinks"
)

var writeDocs = flag.Bool("write-docs", false, "write the generated parts of the pages in docs")

// generated is what stands between the marks of a page:
//
//	<!-- begin generated: WHAT ARGUMENT... -->
//	<!-- end generated -->
var generated = regexp.MustCompile(`(?s)(<!-- begin generated: ([a-z-]+)((?: \S+)*) -->\n).*?(<!-- end generated -->)`)

// TestPagesAreGenerated compares the generated parts of pages with what the program
// says. It fails when they differ; make docs writes them anew.
func TestPagesAreGenerated(t *testing.T) {
	metrics := documentedMetricsOf(t)
	for page, parts := range map[string]map[string]func(arguments []string) string{
		"kinds.md":       {"kinds": func(of []string) string { return new(Options).tables()[of[0]].Markdown() }},
		"flags.md":       {"run-flags": func([]string) string { return runFlagsPage() }, "commands": func([]string) string { return commandsPage() }},
		"metrics.md":     {"metrics": metrics.table},
		"library.md":     {"code": func(of []string) string { return codeOf(t, of) }},
		"sinks/kafka.md": {"code": func(of []string) string { return codeOf(t, of) }},
		"sinks/nats.md":  {"code": func(of []string) string { return codeOf(t, of) }},
		"sinks/s3.md":    {"code": func(of []string) string { return codeOf(t, of) }},
		"findings.md":    {"findings": func([]string) string { return findings.Markdown() }},
		"explain.md":     {"reasons": func([]string) string { return reasonsPage() }},
		"selection.md":   {"presets": func([]string) string { return presetsPage() }},
		"../README.md":   {"kinds-matrix": func([]string) string { return kindsMatrix() }},
	} {
		path := filepath.Join("../../../docs", page)
		before := must(os.ReadFile(path))(t)
		found := map[string]bool{}
		after := generated.ReplaceAllFunc(before, func(part []byte) []byte {
			m := generated.FindSubmatch(part)
			what := string(m[2])
			write, ok := parts[what]
			if !ok {
				t.Fatalf("%s: nothing generates %q", path, what)
			}
			found[what] = true
			return slices.Concat(m[1], []byte(write(strings.Fields(string(m[3])))), m[4])
		})
		if len(found) != len(parts) {
			t.Errorf("%s has places for %v, of %d parts", path, found, len(parts))
		}
		if string(after) == string(before) {
			continue
		}
		if *writeDocs {
			if err := os.WriteFile(path, after, 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s is stale: run make docs", path)
	}
	if len(metrics.empty) > 0 {
		t.Errorf("docs/metrics.md asks for metrics that begin with %v, and there are none", metrics.empty)
	}
	for name, n := range metrics.shown {
		if n != 1 {
			t.Errorf("docs/metrics.md shows %s %d times: name its beginning in one place", name, n)
		}
	}
}

// A kind that a main adds is shown by --help, as the built-in ones are.
func TestHelpShowsAddedKinds(t *testing.T) {
	cmd := newRunCommand(Options{Sinks: sinks.Kinds{throwAway(new(thrown))}})
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--help"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"db://HOST/TABLE: for a test", "passwordFile=FILE: its password", "stdout:", "kubeconfig:PATH", "lease:NAMESPACE/NAME", "bolt:PATH"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("--help does not show %q", want)
		}
	}
}

// kindsMatrix is a row for each flag that chooses a kind, with the schemes that it knows.
func kindsMatrix() string {
	var b strings.Builder
	b.WriteString("| Flag | Kinds |\n|---|---|\n")
	tables := new(Options).tables()
	for _, flag := range []string{"clusters", "sink", "ledger", "leader-elect-lock"} {
		var schemes []string
		for _, form := range tables[flag].Forms {
			schemes = append(schemes, "`"+form.Scheme+":`")
		}
		fmt.Fprintf(&b, "| `--%s` | %s |\n", flag, strings.Join(schemes, ", "))
	}
	return b.String()
}

// reasonsPage is a table of the reasons of verdicts.
func reasonsPage() string {
	var b strings.Builder
	b.WriteString("| Reason | Meaning | What to do | Codes |\n|---|---|---|---|\n")
	for _, r := range api.Reasons {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Reason, r.Meaning, r.Do, linksTo(r.Causes, r.Code))
	}
	return b.String()
}

// linksTo are links to the sections of codes.
func linksTo(codes []string, more string) string {
	link := func(code string) string { return fmt.Sprintf("[%s](findings.md#%s)", code, strings.ToLower(code)) }
	var all []string
	for _, code := range append(slices.Clone(codes), more) {
		if code != "" {
			all = append(all, link(code))
		}
	}
	return strings.Join(all, ", ")
}

// presetsPage is a table of the fields of each preset.
func presetsPage() string {
	var b strings.Builder
	for _, p := range selection.Presets() {
		fmt.Fprintf(&b, "### `%s`\n\n%s\n\n| Resource | Field | Who changes it, and when |\n|---|---|---|\n", p.Name, p.Help)
		for _, f := range p.Fields {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", f.Resource, f.Path, f.Help)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// runFlagsPage is a table for each topic of the flags of fairlead run.
func runFlagsPage() string {
	var c Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	c.addFlags(set, new(Options))
	values := map[string]string{}
	for _, n := range c.numbers() {
		values[n.flag] = n.least + " to " + n.most
		if n.orZero {
			values[n.flag] += ", or 0"
		}
	}
	tables := new(Options).tables()
	var b strings.Builder
	for _, topic := range flagTopics {
		names := pflag.NewFlagSet("", pflag.ContinueOnError)
		names.SortFlags = false
		topic.add(new(Config), names)
		fmt.Fprintf(&b, "\n## %s\n\n| Flag | Default | Values | What it does |\n|---|---|---|---|\n", topic.title)
		names.VisitAll(func(f *pflag.Flag) {
			meaning, preset := meaningOf(f.Usage)
			value := values[f.Name]
			switch {
			case tables[f.Name] != nil:
				value = "see [kinds](kinds.md)"
			case value == "":
				value = f.Value.Type()
				if value == "stringArray" {
					value = "string, repeatable"
				}
			}
			fmt.Fprintf(&b, "| `--%s` | %s | %s | %s |\n", f.Name, cmp.Or(preset, code(set.Lookup(f.Name).DefValue)), shortTimes(value), meaning)
		})
	}
	return b.String() + "\n"
}

// commandsPage describes every command but fairlead run.
func commandsPage() string {
	var b strings.Builder
	var describe func(*cobra.Command)
	describe = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			if name := child.Name(); name != "run" && name != "help" && name != "completion" {
				describe(child)
			}
		}
		if cmd.HasSubCommands() {
			return
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s\n", cmd.CommandPath(), description(cmp.Or(cmd.Long, cmd.Short+".")))
		if cmd.Flags().HasAvailableFlags() {
			b.WriteString("\n| Flag | Default | What it does |\n|---|---|---|\n")
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			meaning, preset := meaningOf(f.Usage)
			fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.Name, cmp.Or(preset, code(f.DefValue)), meaning)
		})
	}
	describe(NewCommand(Options{}))
	return b.String() + "\n"
}

// description is the text of a command's help. What is indented there is shown as it
// stands.
func description(help string) string {
	const fence = "\n```\n"
	var b strings.Builder
	indented := false
	for line := range strings.Lines(help) {
		if now := strings.HasPrefix(line, "  "); now != indented {
			b.WriteString(map[bool]string{true: fence, false: "```\n\n"}[now])
			indented = now
		}
		if indented {
			b.WriteString(line)
		} else {
			b.WriteString(cell(line))
		}
	}
	if indented {
		b.WriteString(fence)
	}
	return strings.TrimSpace(b.String())
}

var presetInUsage = regexp.MustCompile(`(?s)[.]?\s*\(default: (.*?)\)$`)

// meaningOf returns what a flag's usage says, as a cell of a table, and the default
// that it describes in words.
func meaningOf(usage string) (meaning, preset string) {
	if m := presetInUsage.FindStringSubmatch(usage); m != nil {
		preset = cell(m[1])
		usage = usage[:len(usage)-len(m[0])]
	}
	return cell(strings.Join(strings.Fields(usage), " ")), preset
}

// codeInText matches flags, how their values are written, and metrics.
var codeInText = regexp.MustCompile(`--[a-z][a-z-]+|(?:resource\[|NAME=QPS)\S*[\]A-Za-z]|fairlead_[a-z_]+`)

// cell keeps a text from being taken for Markdown.
func cell(s string) string {
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`)
	var b strings.Builder
	from := 0
	for _, m := range codeInText.FindAllStringIndex(s, -1) {
		b.WriteString(escape.Replace(s[from:m[0]]) + "`" + s[m[0]:m[1]] + "`")
		from = m[1]
	}
	return b.String() + escape.Replace(s[from:])
}

// code is a default as it is written in a flag; none if it is empty.
func code(s string) string {
	if s = strings.Trim(s, "[]"); s == "" {
		return ""
	}
	return "`" + shortTimes(s) + "`"
}

var zeroUnits = regexp.MustCompile(`(\d[hm])(0m)?0s\b`)

// shortTimes leaves units that are zero out of durations: 24h0m0s is 24h, and 0s is 0.
func shortTimes(s string) string {
	s = strings.ReplaceAll(s, "1e+06", "1000000")
	return regexp.MustCompile(`\b0s\b`).ReplaceAllString(zeroUnits.ReplaceAllString(s, "$1"), "0")
}
