package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
)

var writeDocs = flag.Bool("write-docs", false, "write the generated files of the charts")

var chartNames = []string{"fairlead", "fairlead-member"}

// isGenerated compares a file with what it should hold, or writes that.
func isGenerated(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil && !*writeDocs {
		t.Fatal(err)
	}
	switch {
	case bytes.Equal(got, want):
	case *writeDocs:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // Of pages.
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // A page.
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what it is made from (-is +should be); run make docs:\n%s", path, cmp.Diff(string(got), string(want)))
	}
}

// value is a line of the table of values.
type value struct{ name, is, means string }

// valuesOf returns the documented values of a chart, and complains about those that are
// not.
func valuesOf(t *testing.T, chart string) (all []value) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join("charts", chart, "values.yaml"))), &document); err != nil {
		t.Fatal(err)
	}
	var walk func(node *yaml.Node, prefix string)
	walk = func(node *yaml.Node, prefix string) {
		for i := 0; i < len(node.Content); i += 2 {
			key, content := node.Content[i], node.Content[i+1]
			name, text := prefix+key.Value, ""
			if _, comment, ok := strings.Cut(key.HeadComment, "# -- "); ok {
				text = strings.Join(strings.Fields(strings.ReplaceAll(comment, "\n#", "\n")), " ")
			}
			switch {
			case text != "":
				all = append(all, value{name: name, is: jsonOf(t, content), means: text})
				if name == "config" { // its keys have a page of their own, but for these
					walk(content, name+".")
				}
			case content.Kind == yaml.MappingNode && len(content.Content) > 0:
				walk(content, name+".")
			default:
				t.Errorf("charts/%s/values.yaml does not say what %s means", chart, name)
			}
		}
	}
	walk(document.Content[0], "")
	return all
}

func jsonOf(t *testing.T, node *yaml.Node) string {
	t.Helper()
	var content any
	if err := node.Decode(&content); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(content); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// The table of values in README.md is made from the comments of values.yaml.
func TestChartPagesAreGenerated(t *testing.T) {
	const begin, end = "<!-- begin generated: values -->\n", "<!-- end generated -->"
	for _, chart := range chartNames {
		path := filepath.Join("charts", chart, "README.md")
		text := read(t, path)
		before, rest, ok := strings.Cut(text, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no place for its values", path)
		}
		var b strings.Builder
		b.WriteString("| Value | Default | What it decides |\n|---|---|---|\n")
		for _, v := range valuesOf(t, chart) {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v.name, strings.ReplaceAll(v.is, "|", "\\|"), strings.ReplaceAll(v.means, "|", "\\|"))
		}
		isGenerated(t, path, []byte(before+begin+b.String()+end+after))
	}
}

// The schema of the key config is that of the configuration file, so that a typo in it fails
// before anything is installed.
func TestChartsKnowTheConfigurationFile(t *testing.T) {
	const path = "charts/fairlead/values.schema.json"
	schema, file := map[string]any{}, map[string]any{}
	for name, into := range map[string]*map[string]any{path: &schema, "../docs/config.schema.json": &file} {
		if err := json.Unmarshal([]byte(read(t, name)), into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, key := range []string{"$id", "$schema", "title", "required"} {
		delete(file, key)
	}
	schema["properties"].(map[string]any)["config"] = file
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		t.Fatal(err)
	}
	isGenerated(t, path, b.Bytes())
}

// Each value is in the schema, and the other way round, and in the matrix of values.
func TestSchemasKnowAllValues(t *testing.T) {
	for _, chart := range chartNames {
		values, schema := map[string]any{}, map[string]any{}
		if err := yaml.Unmarshal([]byte(read(t, filepath.Join("charts", chart, "values.yaml"))), &values); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(read(t, filepath.Join("charts", chart, "values.schema.json"))), &schema); err != nil {
			t.Fatal(err)
		}
		tried := map[string]bool{}
		for _, m := range []map[string]rendering{renderings, matrix} {
			for name, r := range m {
				given := map[string]any{}
				if err := yaml.Unmarshal([]byte(r.values), &given); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if r.chart == chart {
					maps.Copy(tried, keysOf(given, schema, ""))
				}
			}
		}
		has := keysOf(values, schema, "")
		if diff := cmp.Diff(schemaKeys(schema, ""), slices.Sorted(maps.Keys(has))); diff != "" {
			t.Errorf("%s: keys (-schema +values):\n%s", chart, diff)
		}
		for key := range has {
			if !tried[key] {
				t.Errorf("%s: no test gives %s", chart, key)
			}
		}
	}
}

// keysOf returns the paths of values down to those that the schema leaves open.
func keysOf(values, schema map[string]any, prefix string) map[string]bool {
	all := map[string]bool{}
	known, _ := schema["properties"].(map[string]any)
	for key, v := range values {
		below, _ := known[key].(map[string]any)
		if inner, ok := v.(map[string]any); ok && below["properties"] != nil && key != "config" {
			maps.Copy(all, keysOf(inner, below, prefix+key+"."))
			continue
		}
		all[prefix+key] = true
	}
	return all
}

func schemaKeys(schema map[string]any, prefix string) (all []string) {
	if schema["additionalProperties"] != false {
		return nil
	}
	known, _ := schema["properties"].(map[string]any)
	for key, s := range known {
		below, _ := s.(map[string]any)
		switch {
		case prefix+key == "global": // Helm's own
		case key != "config" && below["properties"] != nil:
			all = append(all, schemaKeys(below, prefix+key+".")...)
		default:
			all = append(all, prefix+key)
		}
	}
	slices.Sort(all)
	return all
}

// The charts hold copies, because a chart takes no files from elsewhere.
func TestChartsHoldCopies(t *testing.T) {
	want := map[string]bool{}
	crds, err := filepath.Glob("components/hub-*/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range crds {
		copied := "charts/fairlead/files/crds/" + strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "hub-") + ".yaml"
		want[copied] = true
		isGenerated(t, copied, []byte(read(t, path)))
	}
	for _, shared := range []string{"templates/_names.tpl", "templates/_rights.tpl", "templates/serviceaccount.yaml", "templates/extra.yaml", ".helmignore"} {
		isGenerated(t, filepath.Join("charts/fairlead-member", shared), []byte(read(t, filepath.Join("charts/fairlead", shared))))
	}
	err = filepath.WalkDir("mixin", func(path string, entry os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		text := read(t, path)
		isRules := filepath.Ext(path) == ".yaml" && strings.Contains("\n"+text, "\ngroups:")
		if isDashboard := filepath.Ext(path) == ".json" && strings.Contains(text, `"panels"`); isRules || isDashboard {
			copied := filepath.Join("charts/fairlead/files/mixin", filepath.Base(path))
			want[copied] = true
			isGenerated(t, copied, []byte(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	has, err := filepath.Glob("charts/fairlead/files/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range has {
		if !want[path] {
			t.Errorf("%s is a copy of nothing; remove it", path)
		}
	}
}
