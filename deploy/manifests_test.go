package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
)

// strict refuses unknown and repeated fields, so that a typo fails here rather
// than being ignored by a cluster.
var strict = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
	json.SerializerOptions{Yaml: true, Strict: true})

func decode(text []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if bytes.Contains(document, []byte("$retainKeys")) {
			continue // a patch, which is tried on what it patches
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

// load decodes every manifest, by its path.
func load(t *testing.T) map[string][]runtime.Object {
	t.Helper()
	manifests := map[string][]runtime.Object{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		objects, err := decode(text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(objects) == 0 && filepath.ToSlash(path) != leasePatch {
			return fmt.Errorf("%s: holds nothing", path)
		}
		manifests[filepath.ToSlash(path)] = objects
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

// only returns the one object of a type in a file.
func only[T runtime.Object](t *testing.T, path string) T {
	t.Helper()
	var found []T
	for _, object := range load(t)[path] {
		if o, ok := object.(T); ok {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s holds %d objects of type %T", path, len(found), *new(T))
	}
	return found[0]
}

const (
	hubRBAC    = "kubernetes/rbac.yaml"
	memberRBAC = "member/rbac.yaml"
)

// pod returns the deployment, and the container in it.
func pod(t *testing.T) (*appsv1.Deployment, corev1.Container) {
	t.Helper()
	d := only[*appsv1.Deployment](t, "kubernetes/deployment.yaml")
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%d containers", n)
	}
	return d, d.Spec.Template.Spec.Containers[0]
}

// flagOf returns the value of a flag that the container is started with.
func flagOf(t *testing.T, c corev1.Container, name string) string {
	t.Helper()
	for _, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	t.Fatalf("the deployment does not set --%s", name)
	return ""
}

func TestManifestsAreOfTheAPI(t *testing.T) {
	manifests := load(t)
	for _, path := range []string{
		"kubernetes/namespace.yaml", hubRBAC, "kubernetes/fleet-secret.yaml",
		"kubernetes/deployment.yaml", "kubernetes/service.yaml", memberRBAC,
	} {
		if len(manifests[path]) == 0 {
			t.Errorf("%s is missing", path)
		}
	}
	for path, objects := range manifests {
		for _, object := range objects {
			switch o := object.(type) {
			case *corev1.Namespace, *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
			case metav1.Object:
				if o.GetNamespace() != "fairlead" {
					t.Errorf("%s: %s is in namespace %q", path, o.GetName(), o.GetNamespace())
				}
			}
		}
	}
}

func TestTyposAreFound(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Service\nspec: {port: []}",
		"apiVersion: v1\nkind: Service\nspec: {}\nspec: {}",
		"apiVersion: v1\nkind: Deployment",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestPodIsRestricted(t *testing.T) {
	d, c := pod(t)
	spec := d.Spec.Template.Spec
	ns := only[*corev1.Namespace](t, "kubernetes/namespace.yaml")
	if got := ns.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
		t.Errorf("the namespace enforces %q", got)
	}
	// Field by field what the restricted standard asks for, and a read-only
	// root besides.
	want := &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)), FSGroup: new(int64(65532)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if diff := cmp.Diff(want, spec.SecurityContext); diff != "" {
		t.Errorf("pod's security context (-want +got):\n%s", diff)
	}
	wantContainer := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if diff := cmp.Diff(wantContainer, c.SecurityContext); diff != "" {
		t.Errorf("container's security context (-want +got):\n%s", diff)
	}
	if spec.HostNetwork || spec.HostPID || spec.HostIPC || len(spec.InitContainers) > 0 {
		t.Error("the pod shares namespaces of its node, or has init containers")
	}
	for _, v := range spec.Volumes {
		if v.Secret == nil && v.EmptyDir == nil {
			t.Errorf("volume %s is neither a Secret nor an empty directory", v.Name)
		}
		if v.Secret != nil && *v.Secret.DefaultMode != 0o440 {
			t.Errorf("volume %s has mode %o", v.Name, *v.Secret.DefaultMode)
		}
	}
}

func TestRolesOnlyRead(t *testing.T) {
	hub, member := only[*rbacv1.ClusterRole](t, hubRBAC), only[*rbacv1.ClusterRole](t, memberRBAC)
	if diff := cmp.Diff(member.Rules, hub.Rules); diff != "" {
		t.Errorf("the hub as a member and other members differ:\n%s", diff)
	}
	readable := map[string]bool{}
	for _, rule := range hub.Rules {
		for _, verb := range rule.Verbs {
			if !slices.Contains([]string{"get", "list", "watch"}, verb) {
				t.Errorf("verb %q in %v", verb, rule)
			}
		}
		for _, group := range rule.APIGroups {
			for _, res := range rule.Resources {
				if group == "*" || strings.Contains(res, "*") || res == "secrets" || len(rule.NonResourceURLs) > 0 {
					t.Errorf("too wide: %v", rule)
				}
				if len(rule.ResourceNames) == 0 {
					readable[strings.TrimSuffix(res+"."+group, ".")] = true
				}
			}
		}
	}
	_, c := pod(t)
	for watched := range strings.SplitSeq(flagOf(t, c, "watch"), ",") {
		if !readable[watched] {
			t.Errorf("--watch=%s, but the roles do not allow to read it", watched)
		}
		delete(readable, watched)
	}
	if len(readable) > 0 {
		t.Errorf("the roles allow to read %v, which is not watched", readable)
	}
	if !slices.ContainsFunc(hub.Rules, func(r rbacv1.PolicyRule) bool {
		return slices.Equal(r.Resources, []string{"namespaces"}) && slices.Equal(r.ResourceNames, []string{"kube-system"}) && slices.Equal(r.Verbs, []string{"get"})
	}) {
		t.Error("the kube-system namespace, which tells who a cluster is, may not be read")
	}
	for _, path := range []string{hubRBAC, memberRBAC} {
		role, binding, account := only[*rbacv1.ClusterRole](t, path), only[*rbacv1.ClusterRoleBinding](t, path), only[*corev1.ServiceAccount](t, path)
		want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
		if diff := cmp.Diff(want, binding.Subjects); diff != "" || binding.RoleRef.Name != role.Name || binding.RoleRef.Kind != "ClusterRole" {
			t.Errorf("%s: the binding does not give the role to the account: %v to %v", path, binding.RoleRef, binding.Subjects)
		}
	}
	token, account := only[*corev1.Secret](t, memberRBAC), only[*corev1.ServiceAccount](t, memberRBAC)
	if token.Type != corev1.SecretTypeServiceAccountToken || token.Annotations[corev1.ServiceAccountNameKey] != account.Name {
		t.Errorf("Secret %s gets no token of %s", token.Name, account.Name)
	}
}

func TestFleetIsWhereTheProgramLooks(t *testing.T) {
	d, c := pod(t)
	secret := only[*corev1.Secret](t, "kubernetes/fleet-secret.yaml")
	volumes := map[string]string{} // path: volume
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("%s is mounted with subPath, so it is never updated", m.MountPath)
		}
		volumes[m.MountPath] = m.Name
	}
	dir, ok := strings.CutPrefix(flagOf(t, c, "clusters"), "dir:")
	if !ok || volumes[dir] == "" {
		t.Fatalf("--clusters is %s, but nothing is mounted there", flagOf(t, c, "clusters"))
	}
	i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volumes[dir] })
	if source := d.Spec.Template.Spec.Volumes[i].Secret; source == nil || source.SecretName != secret.Name {
		t.Errorf("%s is not Secret %s", dir, secret.Name)
	}
	for key, text := range secret.StringData {
		if filepath.Ext(key) != ".yaml" {
			t.Errorf("%s: the cluster's name would be the whole key", key)
		}
		config, err := clientcmd.NewClientConfigFromBytes([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		raw, err := config.RawConfig()
		if err != nil {
			t.Fatal(err)
		}
		context := raw.Contexts[raw.CurrentContext]
		if context == nil || raw.Clusters[context.Cluster] == nil || raw.AuthInfos[context.AuthInfo] == nil {
			t.Errorf("%s: the current context %q leads nowhere", key, raw.CurrentContext)
		}
	}
	if mounted := d.Spec.Template.Spec.AutomountServiceAccountToken; mounted == nil || !*mounted {
		t.Error("hub.yaml names the pod's token, which is not mounted")
	}
	if account := only[*corev1.ServiceAccount](t, hubRBAC); d.Spec.Template.Spec.ServiceAccountName != account.Name {
		t.Errorf("the pod runs as %s", d.Spec.Template.Spec.ServiceAccountName)
	}
}

func TestPortsMeet(t *testing.T) {
	d, c := pod(t)
	ports := map[string]int32{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	for flag, port := range map[string]string{"metrics-bind-address": "metrics", "health-probe-bind-address": "health"} {
		if got, want := flagOf(t, c, flag), fmt.Sprintf(":%d", ports[port]); got != want {
			t.Errorf("--%s=%s, but the port %s is %s", flag, got, port, want)
		}
	}
	for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != "health" {
			t.Errorf("no probe asks for %s on the port health", path)
		}
	}
	service := only[*corev1.Service](t, "kubernetes/service.yaml")
	for _, selector := range []labels.Selector{
		labels.SelectorFromSet(service.Spec.Selector), labels.SelectorFromSet(d.Spec.Selector.MatchLabels),
	} {
		if selector.Empty() || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("%v does not select the pod", selector)
		}
	}
	for _, p := range service.Spec.Ports {
		if ports[p.TargetPort.String()] == 0 {
			t.Errorf("the service leads to port %s, which the pod does not have", p.TargetPort.String())
		}
	}
}

func TestLimitsFitTogether(t *testing.T) {
	d, c := pod(t)
	drain, err := time.ParseDuration(flagOf(t, c, "drain-timeout"))
	if err != nil {
		t.Fatal(err)
	}
	if grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < drain+10*time.Second {
		t.Errorf("the kubelet waits %v for a drain of %v and the writing that follows", grace, drain)
	}
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Error("two pods could deliver at once")
	}
	i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
	if i < 0 {
		t.Fatal("no GOMEMLIMIT")
	}
	soft := resource.MustParse(strings.TrimSuffix(c.Env[i].Value, "B"))
	hard := c.Resources.Limits[corev1.ResourceMemory]
	if share := soft.AsApproximateFloat64() / hard.AsApproximateFloat64(); share < 0.8 || share > 0.95 {
		t.Errorf("GOMEMLIMIT is %.0f %% of the memory limit", 100*share)
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
		t.Error("no requests")
	}
}

func TestImageFitsThePod(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM .*$`).FindAllStringIndex(string(text), -1)
	last := string(text[stages[len(stages)-1][0]:])
	d, c := pod(t)
	sc := d.Spec.Template.Spec.SecurityContext
	for _, line := range []string{
		"FROM scratch",
		fmt.Sprintf("USER %d:%d", *sc.RunAsUser, *sc.RunAsGroup),
		`ENTRYPOINT ["/fairlead"]`,
	} {
		if !strings.Contains(last, line+"\n") {
			t.Errorf("the image's last stage has no line %q", line)
		}
	}
	volume := regexp.MustCompile(`(?m)^VOLUME (.*)$`).FindStringSubmatch(last)
	if volume == nil || !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == volume[1] && !m.ReadOnly }) {
		t.Errorf("the image's volume %v is not mounted", volume)
	}
	if c.Args[0] != "run" || len(c.Command) > 0 {
		t.Errorf("the container runs %v %v", c.Command, c.Args)
	}

	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if !bytes.Contains(text, append([]byte("ARG GO_VERSION="), version[1]...)) {
		t.Errorf("the image is not built with Go %s", version[1])
	}
}
