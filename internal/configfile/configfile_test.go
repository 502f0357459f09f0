package configfile_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

const header = "apiVersion: example.dev/v1\nkind: Config\n"

// values are those of the flags of the test.
type values struct {
	watches []string
	qps     float64
	burst   int
	wait    time.Duration
	on      bool
}

func flags() (*values, *pflag.FlagSet) {
	v, f := new(values), pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.StringArrayVar(&v.watches, "watch", []string{"pods"}, "what to follow")
	f.Float64Var(&v.qps, "cluster-qps", 1, "changes per second")
	f.IntVar(&v.burst, "cluster-burst", 2, "changes")
	f.DurationVar(&v.wait, "wait", time.Second, "how long")
	f.BoolVar(&v.on, "on", false, "whether")
	f.String("config", "", "the file")
	return v, f
}

func format(f *pflag.FlagSet) *configfile.Format {
	return &configfile.Format{
		APIVersion: "example.dev/v1", Kind: "Config", Flags: f, Not: []string{"config"}, Keys: map[string]string{"watch": "watches"},
		Items: map[string]configfile.Item{"watch": {
			Text: "resource", Meaning: "its plural name", Known: map[string]string{"namespace": "its name", "where": "an expression"},
			Compose: func(text string, params []spec.Pair) (string, error) {
				if text == "" {
					return "", errors.New("no resource")
				}
				for _, p := range params {
					text += "," + p.Name + "=" + p.Value
				}
				return text, nil
			},
		}},
	}
}

func TestValuesOfADocument(t *testing.T) {
	v, f := flags()
	if err := f.Set("cluster-burst", "7"); err != nil {
		t.Fatal(err)
	}
	doc, err := format(f).Read([]byte(header + `
watches:
- pods
- resource: deployments # a comment
  namespace: team-a
  where: [a, "b"]
clusterQps: 0.5
clusterBurst: 9
wait: 2m
"on": true
`))
	if err != nil {
		t.Fatal(err)
	}
	set, skipped, err := doc.Apply(f)
	if err != nil {
		t.Fatal(err)
	}
	want := values{watches: []string{"pods", "deployments,namespace=team-a,where=a,where=b"}, qps: 0.5, burst: 7, wait: 2 * time.Minute, on: true}
	if diff := cmp.Diff(want, *v, cmp.AllowUnexported(values{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(skipped) != 1 || skipped[0].Key != "clusterBurst" {
		t.Errorf("the command line wins over %+v", skipped)
	}
	var lines []int
	for _, s := range set {
		lines = append(lines, s.Line)
		if f.Changed(s.Flag) {
			t.Errorf("%s counts as given on the command line", s.Flag)
		}
	}
	if diff := cmp.Diff([]int{4, 9, 11, 12}, lines); diff != "" {
		t.Errorf("lines of what was set, -want +got:\n%s", diff)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                                {"is empty"},
		"- a":                                             {"no mapping"},
		header + "a: [":                                   {"line 3"},
		header + "---\na: b":                              {"several documents"},
		"kind: Config\non: true":                          {`line 1: there is no apiVersion; write "apiVersion: example.dev/v1"`},
		"apiVersion: example.dev/v2\nkind: Pod":           {`line 1: apiVersion is "example.dev/v2"; this program reads "example.dev/v1"`, `line 2: kind is "Pod"`},
		header + "clusterQPS: 1":                          {`line 3: unknown key "clusterQPS"; did you mean clusterQps?`},
		header + "cluster-qps: 1":                         {`line 3: unknown key "cluster-qps"; the key of --cluster-qps is clusterQps`},
		header + "config: x":                              {`line 3: unknown key "config"; it can only be a flag`},
		header + "wait: |\n  1m\n  x\n":                   {"line 3: wait: "},
		header + "wait: 1s\nwait: 2s":                     {"line 4: wait is there already, in line 3"},
		header + "wait:":                                  {"line 3: wait has no value"},
		header + "wait: [1s]":                             {"line 3: wait is a list"},
		header + "wait: x":                                {"line 3: wait: "},
		header + "watches: pods":                          {"line 3: watches is no list"},
		header + "watches: []":                            {"line 3: watches is an empty list"},
		header + "watches:\n- {namespace: a}":             {"line 4: watches[0] has no resource, its plural name"},
		header + "watches:\n- {resource: ''}":             {"line 4: watches[0]: no resource"},
		header + "watches:\n- stdout:":                    {"line 4: watches[0]: YAML reads a text that ends with a colon as a key without a value; write it in quotes"},
		header + "watches:\n- [pods]":                     {"line 4: watches[0] is a list"},
		header + "watches:\n- {resource: a, namespac: b}": {`line 4: watches[0]: unknown key "namespac"; did you mean namespace?`},
		header + "wait: &a 1s":                            {"line 3: wait: anchors"},
		header + "wait: !!binary MXM=":                    {"line 3: wait: tags are not read"},
		header + "wait: \"1s\\a\"":                        {"line 3: wait holds a control character"},
		header + "on: \"" + strings.Repeat("t", 65<<10) + "\"":          {"line 3: on has 66560 bytes; it may have 65536"},
		header + "watches: [" + strings.Repeat("a,", 10_000) + "a]":     {"line 3: watches has 10001 values; it may have 10000"},
		header + "watches:\n- https://u:Hunter2@h/x:\n":                 {"line 4: "},
		header + "watches:\n- https://u:Hunter2@h/x:\n  namespace: a\n": {"line 4: a key is no name"},
		header + strings.Repeat("\nwait: 1s", 50):                       {"line 5: wait is there already, in line 4", "and 29 more"},
		header + "wait: &a 1s\nother: *a":                               {"line 3: ", "line 4: "},
		header + "watches: &a [pods]":                                   {"line 3: watches: anchors"},
		header + "watches:\n- &a pods\n- *a":                            {"line 4: watches[0]: anchors", "line 5: watches[1]: anchors"},
		header + "<<: {wait: 1s}":                                       {"line 3: merges are not read"},
		header + "? [a]\n: b":                                           {"line 3: a key is no name"},
		strings.Repeat("#", configfile.MaxSize+1):                       {"it may have 1048576"},
	} {
		_, f := flags()
		doc, err := format(f).Read([]byte(text))
		if err == nil {
			_, _, err = doc.Apply(f)
		}
		if len(text) > 200 {
			text = text[:200]
		}
		if err == nil {
			t.Errorf("%q is accepted", text)
			continue
		}
		if strings.Contains(err.Error(), "Hunter2") {
			t.Errorf("%q: a password is shown: %v", text, err)
		}
		for _, want := range want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
		}
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	_, f := flags()
	_, err := format(f).Read([]byte(header + "a: 1\nb: 2\nwatches: 3\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v, want three errors", err)
	}
}

func TestSchema(t *testing.T) {
	_, f := flags()
	schemaText, err := format(f).Schema("https://example.dev/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Type any
		}
	}
	if err := json.Unmarshal(schemaText, &schema); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for key, p := range schema.Properties {
		got[key] = p.Type
	}
	text := []any{"string", "number"}
	want := map[string]any{
		"apiVersion": nil, "kind": nil, "watches": "array", "clusterQps": text, "clusterBurst": text, "wait": text, "on": []any{"boolean", "string"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whatever a document holds, reading it ends, and it sets flags or says why it does not.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"watches: [pods, {resource: a, where: [b, c]}]\n", "clusterQps: 1\non: yes\n", "a: &a [*a]\n", "wait: !!binary aGk=\n", "? {a: b}\n: c\n", "wait: |\n  1s\n",
	} {
		f.Add([]byte(header + text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, set := flags()
		doc, err := format(set).Read(text)
		if err != nil && strings.ContainsRune(err.Error(), 0) {
			t.Errorf("an error with a zero byte: %q", err)
		}
		if err != nil {
			return
		}
		for _, s := range doc {
			if set.Lookup(s.Flag) == nil || s.Line < 1 || len(s.Values) == 0 {
				t.Errorf("%+v", s)
			}
		}
		_, _, _ = doc.Apply(set)
	})
}
