package fleet

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Setenv("HOME", "/home/x")
	for _, tc := range []struct {
		value    string
		path     string
		contexts []string
	}{
		{value: "kubeconfig:fleet.yaml", path: "fleet.yaml"},
		{value: "kubeconfig:/a/b c?contexts=a,b", path: "/a/b c", contexts: []string{"a", "b"}},
		{value: "kubeconfig:f?contexts=a?", path: "f", contexts: []string{"a?"}},
		{value: "kubeconfig:f?contexts=a&contexts=b", path: "f", contexts: []string{"a", "b"}},
		{value: "kubeconfig:~/.kube/config", path: "/home/x/.kube/config"},
		{value: "kubeconfig:~user/config", path: "~user/config"},
		{value: "kubeconfig:f?contexts=arn:aws:eks:eu-west-1:1234:cluster/one,kubernetes-admin@kubernetes", path: "f",
			contexts: []string{"arn:aws:eks:eu-west-1:1234:cluster/one", "kubernetes-admin@kubernetes"}},
		{value: "kubeconfig:f?contexts=a%2Cb%26%25,c+d,e=f", path: "f", contexts: []string{"a,b&%", "c+d", "e=f"}},
		{value: "dir:/etc/fleet", path: "/etc/fleet"},
	} {
		providers, err := Parse([]string{tc.value})
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.value, err)
			continue
		}
		if got := providers[0].String(); got != tc.value {
			t.Errorf("String() = %q, want %q", got, tc.value)
		}
		switch p := providers[0].(type) {
		case *kubeconfigProvider:
			if p.path != tc.path || !slices.Equal(p.contexts, tc.contexts) {
				t.Errorf("Parse(%q) = path %q, contexts %q", tc.value, p.path, p.contexts)
			}
		case *dirProvider:
			if p.path != tc.path {
				t.Errorf("Parse(%q) = path %q", tc.value, p.path)
			}
		}
	}
}

func TestParseReportsEveryBadValue(t *testing.T) {
	bad := map[string]string{ // value: what the message must say
		"fleet.yaml":                 "has no scheme",
		"kubeconf:x":                 "did you mean kubeconfig?",
		"kubeconfig:":                "write kubeconfig:PATH",
		"dir:":                       "write dir:PATH",
		"dir:x?contexts=a":           "parameter contexts is unknown",
		"kubeconfig:x?context=a":     "did you mean contexts?",
		"kubeconfig:x?":              "picks no context",
		"kubeconfig:y?&":             "picks no context",
		"kubeconfig:x?contexts=":     "an item of the list is empty",
		"kubeconfig:x?contexts=a,":   "an item of the list is empty",
		"kubeconfig:x?contexts=a,a":  `picks context "a" twice`,
		"kubeconfig:x?contexts=%zzz": "write %25 for a percent sign",

		"secrets:":                        "write secrets:NAMESPACE",
		"secrets:Bad_Name":                "cannot be a namespace",
		"secrets:x?format=":               "is none of argocd, capi, kubeconfig, multicluster-runtime",
		"secrets:x?format=cap":            "did you mean capi?",
		"secrets:x?form=capi":             "did you mean format?",
		"secrets:x?format=capi&format=a":  "format is given twice",
		"secrets:x?selector=":             "selector selects everything",
		"secrets:x?selector=a%3D%3D%3Db":  "selector:",
		"secrets:x?selector=%zz":          "write %25 for a percent sign",
		"clusterprofiles:Bad_Name":        "cannot be a namespace",
		"clusterprofiles:x?format=capi":   "parameter format is unknown",
		"clusterprofiles:x":               "set --cluster-profile-access-providers",
		"clusterprofiles:x?selector=a,,b": "selector:",
	}
	values := []string{"dir:good", "dir:good"}
	for value := range bad {
		values = append(values, value)
	}
	providers, err := Parse(values)
	if err == nil || providers != nil {
		t.Fatalf("Parse = %v, %v; want an error only", providers, err)
	}
	lines := strings.Split(err.Error(), "\n")
	bad["dir:good"] = "is given twice"
	for value, want := range bad {
		shown, _, _ := strings.Cut(value, "?")
		if strings.HasPrefix(value, "kubeconf:") {
			shown = "kubeconf:..."
		}
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, `--clusters "`+shown+`"`) && strings.Contains(line, want)
		}) {
			t.Errorf("no line for %q that says %q in:\n%v", value, want, err)
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "--clusters ") {
			t.Errorf("%q does not begin with the flag", line)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"a", "kubernetes-admin@kubernetes", "gke_project_europe-west1-b_name", "Zürich", "北京",
		"arn:aws:eks:eu-west-1:123456789012:cluster/prod", "default/api-x:6443/kube:admin", strings.Repeat("x", 253),
	} {
		if err := checkName(name); err != nil {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
	for _, name := range []string{
		"", " ", "a b", "a\tb", "a\nb", "a\x00", "a\u200bb", "a\u00a0b", "a\u202eb", "\xff", strings.Repeat("x", 254),
	} {
		if err := checkName(name); err == nil {
			t.Errorf("checkName(%q) = nil", name)
		}
	}
}

// FuzzParse looks for panics, and for values that are understood in another way
// than they were meant.
func FuzzParse(f *testing.F) {
	f.Add("kubeconfig:fleet.yaml?contexts=a,b%2C", "a")
	f.Add("dir:x", "b,c&d=e%")
	f.Add("kubeconfig:?", "")
	f.Fuzz(func(t *testing.T, value, context string) {
		providers, err := Parse([]string{value})
		if err == nil && (len(providers) != 1 || providers[0].String() != value) {
			t.Errorf("Parse(%q) = %v", value, providers)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "--clusters ") {
			t.Errorf("error %q does not begin with the flag", err)
		}
		if checkName(context) != nil {
			return
		}
		providers, err = Parse([]string{"kubeconfig:x?contexts=" + url.QueryEscape(context)})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{context}
		if diff := cmp.Diff(want, providers[0].(*kubeconfigProvider).contexts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestParseOfTheHub(t *testing.T) {
	o := ParseOptions{AccessProviders: "access.json"}
	for value, want := range map[string][2]string{ // namespace, selector
		"secrets:fleet": {"fleet", "fairlead.dev/cluster=true"},
		"secrets:*":     {"", "fairlead.dev/cluster=true"},
		"secrets:fleet?selector=env=prod,tier!=x":             {"fleet", "env=prod,tier!=x"},
		"secrets:fleet?selector=env%20in%20(a,b)":             {"fleet", "env in (a,b)"},
		"secrets:fleet?format=capi":                           {"fleet", "cluster.x-k8s.io/cluster-name"},
		"secrets:fleet?format=argocd&selector=env":            {"fleet", "argocd.argoproj.io/secret-type=cluster,env"},
		"secrets:fleet?selector=env&format=kubeconfig":        {"fleet", "env"},
		"secrets:f?format=multicluster-runtime&selector=!off": {"f", "sigs.k8s.io/multicluster-runtime-kubeconfig=true,!off"},
		"clusterprofiles:fleet":                               {"fleet", ""},
		"clusterprofiles:*?selector=env=prod":                 {"", "env=prod"},
	} {
		providers, err := o.Parse([]string{value})
		if err != nil {
			t.Errorf("Parse(%q): %v", value, err)
			continue
		}
		var got [2]string
		switch p := providers[0].(type) {
		case *secretsProvider:
			got = [2]string{p.namespace, p.selector}
		case *profilesProvider:
			got = [2]string{p.namespace, p.selector}
		}
		if got != want || providers[0].String() != value || !NeedsHub(providers) {
			t.Errorf("Parse(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestParseIncludesTheHub(t *testing.T) {
	o := ParseOptions{IncludeHub: "home", HubKubeconfig: "hub.yaml"}
	for _, values := range [][]string{nil, {"dir:x"}} {
		providers, err := o.Parse(values)
		if err != nil || len(providers) != len(values)+1 {
			t.Errorf("%q: %v, %v", values, providers, err)
			continue
		}
		// Its files tell where it is: nothing has to be asked.
		if p, ok := providers[0].(*hubProvider); !ok || p.name != "home" || p.path != "hub.yaml" || NeedsHub(providers) {
			t.Errorf("%q: %v", values, providers)
		}
	}
	if _, err := (ParseOptions{IncludeHub: "a b"}).Parse(nil); err == nil || !strings.Contains(err.Error(), "--include-hub") {
		t.Errorf("a bad name: %v", err)
	}
}

func TestTheTableOfKindsIsSound(t *testing.T) {
	if err := NewTable(Kinds()).Validate(); err != nil {
		t.Error(err)
	}
}

// TestNoErrorShowsAPassword: a value may be a URL by mistake.
func TestNoErrorShowsAPassword(t *testing.T) {
	for _, value := range []string{"https://me:hunter2@host/x", "kubeconfig://me:hunter2@host/x?a=b", "dir:x?token=hunter2", "secrets:me:hunter2@host"} {
		if _, err := Parse([]string{value}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
