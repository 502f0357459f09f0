package app

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// filterTestOutput is what fairlead filter test says of the input.
func filterTestOutput(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := NewCommand(Options{})
	cmd.SetArgs(append([]string{"filter", "test", "-"}, args...))
	cmd.SetIn(strings.NewReader(input))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

const filterStates = `
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"a","uid":"1","resourceVersion":"1","managedFields":[{"manager":"m"}]},"spec":{"nodeName":"n"},"status":{"phase":"Running"}}
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"a","uid":"1","resourceVersion":"2"},"spec":{"nodeName":"n"},"status":{"phase":"Running","x":1}}
{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"a","uid":"1","resourceVersion":"3"},"spec":{"nodeName":"m"},"status":{"phase":"Running"}}}
{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"4"}}}
{"apiVersion":"v1","kind":"PodList","metadata":{},"items":[
  {"metadata":{"namespace":"shop","name":"a","uid":"1","resourceVersion":"5"},"spec":{"nodeName":"m"},"status":{"phase":"Failed"}},
  {"metadata":{"namespace":"other","name":"b","uid":"2","resourceVersion":"6"},"spec":{"nodeName":"m"},"status":{"phase":"Failed"}}]}
{"type":"DELETED","object":{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"other","name":"b","uid":"2","resourceVersion":"7"},"spec":{},"status":{"phase":"Failed"}}}
{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"c","uid":"3","resourceVersion":"8"},"spec":{}}
`

func TestFilterTest(t *testing.T) {
	rules := []string{"--where", "pods: object.status.phase == 'Running'", "--changed", "pods: spec.nodeName", "--drop", "status"}
	got, err := filterTestOutput(t, filterStates, rules...)
	if err != nil {
		t.Fatal(err)
	}
	want := `INPUT  VERDICT               OP       OBJECT: REASON
1      delivered             added    pods shop/a: the first state of the object
2      unchanged             updated  pods shop/a: no field that counts differs from input 1
3      delivered             updated  pods shop/a: a field that counts differs from input 2
4      delivered as deleted  added    pods shop/a: it was selected before, by input 3, and now is not: false: pods: object.status.phase == 'Running'
5      filtered              added    pods other/b: false: pods: object.status.phase == 'Running'
6      filtered              deleted  pods other/b: false: pods: object.status.phase == 'Running'
7      delivered             added    pods shop/c: the first state of the object; it passes because of an error:`
	if head := got[:min(len(want), len(got))]; head != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, head))
	}
	if !strings.HasSuffix(got, "3 delivered, 1 delivered as deleted, 1 unchanged, 2 filtered\n") {
		t.Errorf("no summary: %s", got)
	}
	got, err = filterTestOutput(t, filterStates, append(rules, "--output=json")...)
	if err != nil {
		t.Fatal(err)
	}
	var first filterVerdict
	if err := json.NewDecoder(strings.NewReader(got)).Decode(&first); err != nil {
		t.Fatal(err)
	}
	if want := `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"a","uid":"1","resourceVersion":"1"},"spec":{"nodeName":"n"}}`; string(first.Data) != want {
		t.Errorf("delivered is\n%s\nwant\n%s", first.Data, want)
	}
}

func TestFilterTestReads(t *testing.T) {
	event := `{"specversion":"1.0","type":"dev.fairlead.resource.added.v1","source":"/clusters/edge-1","subject":"/api/v1/namespaces/web/pods/shop","id":"/v1/pods/u/1","datacontenttype":"application/json","cluster":"edge-1","apiversion":"v1","kind":"Pod","namespace":"web","name":"shop","resourceversion":"1","data":{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"web","name":"shop","uid":"u","resourceVersion":"1"}}}`
	tombstone := `{"specversion":"1.0","type":"dev.fairlead.resource.deleted.v1","source":"/clusters/edge-1","subject":"/api/v1/namespaces/web/pods/shop","id":"/v1/pods/u/deleted","cluster":"edge-1","apiversion":"v1","kind":"Pod","namespace":"web","name":"shop","tombstone":true}`
	for name, test := range map[string]struct {
		input string
		args  []string
		want  string // of the verdict
	}{
		"an event":          {event, []string{"--where", "*: cluster.name == 'edge-1'"}, `"verdict":"delivered","op":"added","resource":"pods","namespace":"web","name":"shop"`},
		"another cluster":   {event, []string{"--where", "*: cluster.name == 'edge-1'", "--cluster=other"}, `"verdict":"filtered"`},
		"labels":            {event, []string{"--where", "*: cluster.labels['env'] == 'prod'", "--cluster-labels=env=prod"}, `"verdict":"delivered"`},
		"a tombstone":       {tombstone, nil, `"verdict":"delivered","op":"deleted"`},
		"YAML":              {"# two\nkind: Widget\napiVersion: example.com/v1\nmetadata: {name: x}\n---\n---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: z, namespace: shop}\n", nil, `"resource":"configmaps","namespace":"shop","name":"z"`},
		"a resource":        {"kind: Widget\napiVersion: example.com/v1\nmetadata: {name: x}\n", []string{"--resource=widgetry.example.com"}, `"resource":"widgetry.example.com"`},
		"secrets":           {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"}},"data":{"a":"b"}}`, nil, `"data":{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"name":"s"}}`},
		"values of secrets": {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"a":"b"}}`, []string{"--include-secret-values"}, `"data":{"a":"b"}`},
		"nothing":           {" \n", nil, "0 delivered"},
	} {
		got, err := filterTestOutput(t, test.input, append(test.args, "--output=json")...)
		if err != nil || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v, %s\nwant %s", name, err, got, test.want)
		}
	}
	for name, test := range map[string]struct {
		input string
		args  []string
		want  string
	}{
		"no JSON":       {`{"a":`, nil, "input 1"},
		"no object":     {`{"a":1}`, nil, "input 1: it has no apiVersion"},
		"no YAML":       {"a: [", nil, "input 1"},
		"a number":      {"1", nil, "an object or an event is expected"},
		"a mistake":     {"", []string{"--where", "pods: object.metdata.name == ''"}, "--where: where"},
		"another":       {"", []string{"--changed", "spec.", "--drop", "kind"}, "identifies the object"},
		"a short key":   {"", []string{"--redact", "spec", "--redact-key-file", filepath.Join("testdata", "none")}, "--redact-key-file"},
		"an error":      {`{"type":"ERROR","object":{"kind":"Status"}}`, nil, "ADDED, MODIFIED and DELETED"},
		"an odd output": {"", []string{"--output=yaml"}, "neither table nor json"},
	} {
		if got, err := filterTestOutput(t, test.input, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q: %s", name, err, test.want, got)
		}
	}
}

// recipe is what a command in docs/selection.md says.
type recipe struct {
	all, sink selection.Texts
	used      bool
}

var (
	recipeTitle = regexp.MustCompile(`(?m)^### (.*)$`)
	recipeFlag  = regexp.MustCompile(`--(where|changed|unchanged|drop|redact|only|preset) ("[^"]*"|\S+)`)
	recipeSink  = regexp.MustCompile(`--sink "[^"?]*\?([^"]*)"`)
)

func (r *recipe) add(to *selection.Texts, name, text string) {
	r.used = true
	list := map[string]*[]string{
		"where": &to.Where, "changed": &to.Changed, "unchanged": &to.Unchanged, "drop": &to.Drop, "redact": &to.Redact, "only": &to.Only,
		"preset": &to.Preset,
	}[name]
	*list = append(*list, text)
}

func recipes(t *testing.T) map[string]*recipe {
	page := string(must(os.ReadFile("../../../docs/selection.md"))(t))
	_, page, _ = strings.Cut(page, "\n## Recipes\n")
	page, _, _ = strings.Cut(page, "\n## ")
	all := map[string]*recipe{}
	titles := recipeTitle.FindAllStringSubmatchIndex(page, -1)
	for i, at := range titles {
		end := len(page)
		if i+1 < len(titles) {
			end = titles[i+1][0]
		}
		r, text := &recipe{}, page[at[1]:end]
		for _, m := range recipeFlag.FindAllStringSubmatch(text, -1) {
			r.add(&r.all, m[1], strings.Trim(m[2], `"`))
		}
		for _, m := range recipeSink.FindAllStringSubmatch(text, -1) {
			for part := range strings.SplitSeq(m[1], "&") {
				name, value, _ := strings.Cut(part, "=")
				r.add(&r.sink, name, must(url.PathUnescape(value))(t))
			}
		}
		all[page[at[2]:at[3]]] = r
	}
	return all
}

// Each recipe of docs/selection.md does what its title says.
func TestRecipes(t *testing.T) {
	pod := func(namespace, phase string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"` + namespace + `","name":"a","uid":"1","labels":{"a":"b"}},"spec":{"containers":[{"env":[{"name":"E","value":"hidden"}]}]},"status":{"phase":"` + phase + `"}}`
	}
	deployment := func(image, replicas string) string {
		return `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"shop","name":"a","uid":"1"},"spec":{"replicas":` + replicas + `,"template":{"spec":{"containers":[{"name":"c","image":"` + image + `"}]}}}}`
	}
	lease := func(renewed, holder string) string {
		return `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"namespace":"kube-node-lease","name":"a","uid":"1"},"spec":{"renewTime":"` + renewed + `","holderIdentity":"` + holder + `"}}`
	}
	event := func(kind, count string) string {
		return `{"apiVersion":"v1","kind":"Event","metadata":{"namespace":"shop","name":"a","uid":"1"},"type":"` + kind + `","count":` + count + `}`
	}
	node := func(ready, beat string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"1"},"status":{"conditions":[{"type":"MemoryPressure","status":"` + beat + `"},{"type":"Ready","status":"` + ready + `","lastHeartbeatTime":"` + beat + `"}]}}`
	}
	want := map[string]struct {
		inputs   []string
		verdicts []string
		last     string // what is delivered at the end holds it
		not      string // and not this
	}{
		"Failed pods to a chat, everything to a file": {[]string{pod("shop", "Running"), pod("shop", "Failed"), deployment("a", "1")}, []string{verdictFiltered, verdictDelivered, verdictFiltered}, "Failed", "Running"},
		"Image changes to a table":                    {[]string{deployment("a", "1"), deployment("a", "2"), deployment("b", "2")}, []string{verdictDelivered, verdictUnchanged, verdictDelivered}, `"spec":{"template":{"spec":{"containers":[{"image":"b"}]}}}`, "replicas"},
		"Everything but heartbeats":                   {[]string{lease("1", "x"), lease("2", "x"), lease("3", "y"), node("True", "1")}, []string{verdictDelivered, verdictUnchanged, verdictDelivered, verdictDelivered}, "", "none"},
		"The namespaces of one team":                  {[]string{pod("shop", "Running"), pod("shopping", "Running"), node("True", "1")}, []string{verdictDelivered, verdictFiltered, verdictFiltered}, "", "none"},
		"No system namespaces":                        {[]string{pod("kube-system", "Running"), pod("shop", "Running"), node("True", "1")}, []string{verdictFiltered, verdictDelivered, verdictDelivered}, "", "none"},
		"Names of Secrets only": {[]string{`{"apiVersion":"v1","kind":"Secret","metadata":{"namespace":"n","name":"s","labels":{"a":"hidden"}},"data":{"a":"hidden"}}`},
			[]string{verdictDelivered}, `"metadata":{"name":"s","namespace":"n"}}`, "hidden"},
		"Warnings, and each once":                {[]string{event("Normal", "1"), event("Warning", "1"), event("Warning", "2")}, []string{verdictFiltered, verdictDelivered, verdictUnchanged}, "", "none"},
		"Nodes that become ready or unready":     {[]string{node("True", "1"), node("True", "2"), node("False", "2")}, []string{verdictDelivered, verdictUnchanged, verdictDelivered}, "", "none"},
		"Clusters with a label":                  {[]string{pod("shop", "Running")}, []string{verdictFiltered}, "", "none"},
		"Values of environment variables hidden": {[]string{pod("shop", "Running")}, []string{verdictDelivered}, `"value":"hmac-sha256:`, "hidden"},
	}
	all := recipes(t)
	if len(all) != len(want) {
		t.Errorf("the page has %d recipes, %d are tried", len(all), len(want))
	}
	for title, test := range want {
		r := all[title]
		if r == nil || !r.used {
			t.Errorf("%s: the page has no such recipe, or it has no rule", title)
			continue
		}
		texts := r.all
		if len(r.sink.Where) > 0 {
			texts = r.sink
		}
		filter, err := newFilterTest(texts, selection.ParseOptions{RedactKey: []byte("0123456789abcdef")}, selection.Cluster{Name: "a"})
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		var verdicts []string
		var last string
		for in, err := range filterInputs(strings.NewReader(strings.Join(test.inputs, "\n"))) {
			if err != nil {
				t.Fatal(err)
			}
			v := must(filter.decide(in))(t)
			if v.Error != "" {
				t.Errorf("%s: %s", title, v.Error)
			}
			if verdicts = append(verdicts, v.Verdict); v.Data != nil {
				last = string(v.Data)
			}
		}
		if diff := cmp.Diff(test.verdicts, verdicts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", title, diff)
		}
		if !strings.Contains(last, test.last) || strings.Contains(last, test.not) {
			t.Errorf("%s: delivered is %s", title, last)
		}
	}
}
