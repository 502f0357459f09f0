package deploy

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// rendering is a chart with values, under the name of a folder: what is expected of
// "hub-secrets" is expected of "chart/hub-secrets" as well.
type rendering struct{ chart, values string }

// renderings are charts with the values that come to what folders hold.
var renderings = map[string]rendering{
	"chart/base": {chart: "fairlead"},
	"chart/hub-secrets": {chart: "fairlead", values: `
createNamespaces: true
fleet: {existingSecret: "", secrets: {enabled: true}}
`},
	"chart/hub-clusterprofiles": {chart: "fairlead", values: `
fleet: {existingSecret: "", clusterprofiles: {enabled: true, accessProviders: {providers: []}}}
`},
	"chart/hub-records": {chart: "fairlead", values: `
createNamespaces: true
crds: {enabled: true}
config: {routes: ["hub:fairlead-records"]}
`},
	"chart/hub-memberclusters": {chart: "fairlead", values: `
createNamespaces: true
crds: {enabled: true}
config: {memberStatus: fairlead-members}
`},
	"chart/leader-election": {chart: "fairlead", values: `
leaderElection: {enabled: true}
`},
	"chart/leader-label": {chart: "fairlead", values: `
leaderElection: {enabled: true, label: true}
`},
	"chart/example/hub": {chart: "fairlead", values: `
image: {registry: registry.example, tag: v0.2.0}
config:
  watches:
  - pods,deployments.apps
  - configmaps?labelSelector=app=web,tier=front
  routes: ["file:/var/lib/fairlead/changes.jsonl"]
  clusterLimits: ["paris=500:1000"]
  deadLetter: /var/lib/fairlead/dead-letters.jsonl
rbac: {readHub: true}
leaderElection: {enabled: true}
ledger: {persistence: {storageClass: nfs, size: 10Gi}}
networkPolicy: {egress: {members: {ports: [443, 6443, 8443]}}}
`},
	"chart/member":            {chart: "fairlead-member", values: "token: {create: false}"},
	"chart/member-everything": {chart: "fairlead-member", values: `{token: {create: false}, watches: [configmaps, deployments.apps, "*"]}`},
	"chart/voter":             {chart: "fairlead-member", values: "{token: {create: false}, voter: {enabled: true}}"},
	"chart/example/member": {chart: "fairlead-member", values: `
token: {create: false}
watches: ["pods,deployments.apps", "configmaps?labelSelector=app=web,tier=front"]
`},
}

// withCharts adds the renderings of charts to the folders of these names.
func withCharts(folders ...string) []string {
	all := slices.Clone(folders)
	for _, folder := range folders {
		if _, ok := renderings["chart/"+folder]; ok {
			all = append(all, "chart/"+folder)
		}
	}
	return all
}

// restricted is the namespace of a release, as docs/install.md has it made.
const restricted = `apiVersion: v1
kind: Namespace
metadata:
  name: fairlead
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
---
`

// template returns what a chart makes of values, hooks left out, and the namespace before
// it.
func (r rendering) template(ctx context.Context, helm string) ([]byte, error) {
	return r.templateWith(ctx, helm, "--no-hooks")
}

func (r rendering) templateWith(ctx context.Context, helm string, args ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "fairlead-values-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is temporary.
	values := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(values, []byte(r.values), 0o600); err != nil {
		return nil, err
	}
	args = append([]string{"template", "fairlead", "charts/" + r.chart, "--namespace=fairlead", "--values=" + values}, args...)
	text, err := testhelm.Run(ctx, helm, args...)
	return slices.Concat([]byte(restricted), text), err
}

// chartFiles makes the test's cached result depend on the charts.
func chartFiles(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("charts", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fromFile returns the flags that the configuration file of the container says, such as
// --cluster-qps=50, in the order of their names.
func fromFile(t *testing.T, from string, objects []runtime.Object, spec corev1.PodSpec, path string) []string {
	t.Helper()
	c := spec.Containers[0]
	name := mountOf(t, c, path).Name
	i := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	file := pick[*corev1.ConfigMap](t, from, objects, spec.Volumes[i].ConfigMap.Name)
	document := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(file.Data[filepath.Base(path)]), &document); err != nil {
		t.Fatalf("%s: %s: %v", from, path, err)
	}
	if document["apiVersion"] != "fairlead.dev/v1alpha1" || document["kind"] != "Config" {
		t.Errorf("%s: %s is of %v, %v", from, path, document["apiVersion"], document["kind"])
	}
	names := map[string]string{"watches": "watch", "routes": "sink", "clusterLimits": "cluster-limit"}
	var flags []string
	for _, key := range slices.Sorted(maps.Keys(document)) {
		flag, ok := names[key]
		if !ok {
			flag = kebab(key)
		}
		switch value := document[key].(type) {
		case []any:
			for _, item := range value {
				flags = append(flags, fmt.Sprintf("--%s=%v", flag, item))
			}
		case bool:
			flags = append(flags, "--"+flag)
		default:
			flags = append(flags, fmt.Sprintf("--%s=%v", flag, value))
		}
	}
	return slices.DeleteFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--api-version=") || strings.HasPrefix(f, "--kind=") })
}

// kebab returns the flag of a key.
func kebab(key string) string {
	var b bytes.Buffer
	for _, r := range key {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
