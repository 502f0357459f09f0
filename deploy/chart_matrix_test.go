package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testhelm"
)

// matrix holds values beside those of the renderings: each key of values.yaml is given in
// one of them at least, which a test checks.
var matrix = map[string]rendering{
	"names": {chart: "fairlead", values: `
nameOverride: events
fullnameOverride: platform-events
commonLabels: {team: platform}
commonAnnotations: {contact: nobody@example.com}
image: {registry: registry.example, repository: a/fairlead, digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
serviceAccount: {create: false, name: other}
rbac: {create: false}
`},
	"pod": {chart: "fairlead", values: `
config: {watches: [pods], routes: [{sink: "postgres://fairlead@db.example/changes", password-file: /etc/fairlead/credentials/postgres/password}], clusterQps: 1000000}
credentials: [{name: postgres, existingSecret: fairlead-postgres, optional: true, items: [{key: password, path: password}]}]
replicaCount: 0
updateStrategy: {type: Recreate}
terminationGracePeriodSeconds: 90
resources: {limits: {memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}
extraArgs: [--log-level=info]
extraEnv: [{name: A, value: b}]
extraEnvFrom: [{secretRef: {name: aws-keys}}]
extraVolumes: [{name: plugins, emptyDir: {}}]
extraVolumeMounts: [{name: plugins, mountPath: /plugins}]
initContainers: [{name: copy, image: plugins, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
extraContainers: [{name: rotate, image: rotate, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
extraObjects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-extra"}, data: {a: b}}
- "{apiVersion: v1, kind: ConfigMap, metadata: {name: text}}"
deploymentAnnotations: {a: b}
podAnnotations: {a: b}
podLabels: {a: b}
priorityClassName: system-cluster-critical
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]
tolerations: [{operator: Exists}]
nodeSelector: {a: b}
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
hostAliases: [{ip: 10.0.0.1, hostnames: [a.example]}]
dnsPolicy: None
dnsConfig: {nameservers: [10.0.0.2]}
runtimeClassName: gvisor
podSecurityContext: {supplementalGroups: [1]}
securityContext: {privileged: false}
livenessProbe: {periodSeconds: 20}
readinessProbe: {periodSeconds: 20}
`},
	"fleet": {chart: "fairlead", values: `
createNamespaces: true
fleet:
  existingSecret: ""
  includeHub: hub
  secrets: {enabled: true, namespace: platform, format: argocd, selector: "env in (prod)"}
  clusterprofiles: {enabled: true, namespace: inventory, selector: a=b, accessProviders: {providers: [{name: gke, execConfig: {command: /plugins/gke, apiVersion: client.authentication.k8s.io/v1}}]}}
rbac: {scope: cluster}
config: {watches: ["*", "*.cert-manager.io", {resource: pods, namespace: default}], routes: ["hub:fairlead-records", {sink: "hub:others"}]}
`},
	"everywhere": {chart: "fairlead", values: `
fleet: {secrets: {enabled: true, namespace: "*"}, clusterprofiles: {enabled: true, namespace: "*"}}
config: {clusterProfileAccessProviders: /plugins/providers.json}
serviceAccount: {annotations: {a: b}}
`},
	"no fleet": {chart: "fairlead", values: `
fleet: {existingSecret: ""}
rbac: {scope: namespace}
config: {watches: ["configmaps?namespace=default", {resource: deployments.apps/v1, namespace: fairlead}]}
`},
	"ledger": {chart: "fairlead", values: `
ledger: {persistence: {existingClaim: mine}}
`},
	"no ledger": {chart: "fairlead", values: `
ledger: {persistence: {enabled: false}}
`},
	"claim": {chart: "fairlead", values: `
ledger: {persistence: {enabled: true, storageClass: fast, accessModes: [ReadWriteOncePod], size: 2Gi, annotations: {a: b}}}
`},
	"lock elsewhere": {chart: "fairlead", values: `
leaderElection: {enabled: true, lock: "lease:platform/fairlead", deleteLease: true}
podDisruptionBudget: {enabled: true, minAvailable: 50%}
replicaCount: 3
`},
	"observed": {chart: "fairlead", values: `
service: {enabled: true, annotations: {a: b}}
podDisruptionBudget: {enabled: false}
serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 15s, scrapeTimeout: 5s, relabelings: [{action: keep}], metricRelabelings: [{action: keep}]}
podMonitor: {enabled: true, labels: {release: prometheus}, interval: 15s, scrapeTimeout: 5s, relabelings: [{action: keep}], metricRelabelings: [{action: keep}]}
prometheusRule: {enabled: true, labels: {release: prometheus}, extraGroups: [{name: mine, rules: []}],
  disabled: [FairleadThrottled], for: {FairleadClusterNotLive: 30m}, severities: {FairleadSinkDown: page}, alertLabels: {team: events}, runbookUrl: "https://runbooks.example/{alert}",
  thresholds: {oldestUnackedSeconds: 60.5, throttledShare: 0.25, laneFullShare: 0.75, behindSeconds: 60.5, ledgerShare: 0.8, credentialsExpireSeconds: 3000000}}
dashboards: {enabled: true, labels: {grafana_dashboard: "1"}, annotations: {folder: fairlead}}
verticalPodAutoscaler: {enabled: true, updateMode: Initial}
crds: {enabled: true}
tests: {enabled: true, args: [check, --help]}
`},
	"ports": {chart: "fairlead", values: `
config: {metricsBindAddress: "0", healthProbeBindAddress: ":9081"}
`},
	"closed": {chart: "fairlead", values: `
service: {enabled: false}
networkPolicy:
  enabled: true
  ingress: {from: []}
  egress:
    dnsPorts: [53, 5353]
    hub: {cidrs: [10.1.0.1/32], ports: [443]}
    members: {cidrs: [10.0.0.0/8], ports: [6443]}
    sinks: [{to: [{ipBlock: {cidr: 10.2.0.0/16}}], ports: [{port: 5432}]}]
`},
	"open": {chart: "fairlead", values: "networkPolicy: {enabled: false}\n"},
	"member": {chart: "fairlead-member", values: `
nameOverride: events
fullnameOverride: platform-events
commonLabels: {team: platform}
commonAnnotations: {contact: nobody@example.com}
watches: ["pods?namespace=default"]
serviceAccount: {create: true, name: reader, annotations: {a: b}}
rbac: {create: true, scope: namespace}
token: {create: true}
voter: {enabled: true, leaseName: votes}
extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}}]
`},
}

// kubeVersion is the cluster's, for Helm that asks none: a Helm 3 that is not built by its own
// Makefile takes it to be v1.20.
const kubeVersion = "--kube-version=v1.36.0"

// An API server accepts what the charts make of any values, field by field, and the program
// its configuration file. Helm 3 makes the same of them as Helm 4.
func TestMatrix(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := newRelease(t, hub)
	helm3 := testhelm.Require3(t)
	r.installsPrometheusOperator()
	for _, namespace := range []string{"platform", "inventory", "others", "fairlead-records", "fairlead-clusters"} {
		if _, err := r.client.CoreV1().Namespaces().Create(r.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// A Pod, such as that of helm test, is admitted only if its class is there.
	class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "gvisor"}, Handler: "runsc"}
	if _, err := r.client.NodeV1().RuntimeClasses().Create(r.ctx, class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, chart := range matrix {
		t.Run(name, func(t *testing.T) {
			values := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(values, []byte(chart.values), 0o600); err != nil {
				t.Fatal(err)
			}
			made := map[string][]*unstructured.Unstructured{}
			for _, helm := range []string{r.program, helm3} {
				if _, err := testhelm.Run(t.Context(), helm, "lint", "--strict", "charts/"+chart.chart, "--values="+values, "--namespace=fairlead", kubeVersion); err != nil {
					t.Error(err)
				}
				text, err := testhelm.Run(t.Context(), helm, "template", "fairlead", "charts/"+chart.chart, "--values="+values, "--namespace=fairlead", kubeVersion)
				if err != nil {
					t.Fatal(err)
				}
				made[helm] = documents(t, text)
			}
			if diff := cmp.Diff(made[r.program], made[helm3]); diff != "" {
				t.Errorf("what Helm 3 makes differs (-Helm 4 +Helm 3):\n%s", diff)
			}
			for _, object := range made[r.program] {
				if object.GetKind() == "VerticalPodAutoscaler" {
					continue // there is no CRD of it here
				}
				if object.GetNamespace() == "" && object.GetKind() == "ConfigMap" {
					object.SetNamespace("fairlead") // extraObjects that name none
				}
				raw, err := object.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := strict.Decode(raw, nil, nil); err != nil && !ofPrometheusOperator(object) {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
				options := metav1.PatchOptions{FieldManager: "test", Force: new(true), DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}
				if _, err := resourceOf(r.dynamic, object).Patch(t.Context(), object.GetName(), types.ApplyPatchType, raw, options); err != nil {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
				if text, ok, _ := unstructured.NestedString(object.Object, "data", "fairlead.yaml"); ok {
					configurationIsValid(t, text)
				}
			}
		})
	}
}

// ofPrometheusOperator reports whether an object is for the Prometheus operator, whose CRDs
// say what it may hold.
func ofPrometheusOperator(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().Group == "monitoring.coreos.com"
}

// installsPrometheusOperator makes the CRDs of the Prometheus operator, and returns when the
// API server holds objects to them.
func (r *release) installsPrometheusOperator() {
	r.t.Helper()
	for path, text := range files(r.t, "testdata/prometheus-operator") {
		r.appliesText(applyServerSide, text)
		plural := strings.TrimSuffix(filepath.Base(path), ".yaml")
		objects := r.dynamic.Resource(schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: plural})
		err := wait.PollUntilContextTimeout(r.ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			_, err := objects.List(ctx, metav1.ListOptions{})
			return err == nil, nil
		})
		if err != nil {
			r.t.Fatalf("%s are not served: %v", plural, err)
		}
	}
}

// documents returns the objects of a text.
func documents(t *testing.T, text []byte) (objects []*unstructured.Unstructured) {
	t.Helper()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// configurationIsValid asks the program.
func configurationIsValid(t *testing.T, text string) {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fairlead.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), binary, "config", "validate", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, output, text)
	}
}
