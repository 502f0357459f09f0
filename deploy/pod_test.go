package deploy

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
)

// pod returns the Deployment in a folder, and the container in it, with the
// arguments that the kubelet makes of the flags' ConfigMap.
func pod(t *testing.T, folder string) (*appsv1.Deployment, corev1.Container) {
	t.Helper()
	return podOf(t, folder, render(t, folder))
}

func podOf(t *testing.T, from string, objects []runtime.Object) (*appsv1.Deployment, corev1.Container) {
	t.Helper()
	d := pick[*appsv1.Deployment](t, from, objects, "fairlead")
	if n := len(d.Spec.Template.Spec.Containers); n != 1 {
		t.Fatalf("%s: %d containers", from, n)
	}
	c := d.Spec.Template.Spec.Containers[0]
	values := map[string]string{}
	for _, source := range c.EnvFrom {
		flags := pick[*corev1.ConfigMap](t, from, objects, "fairlead-flags")
		if source.ConfigMapRef.Name != flags.Name || flags.Namespace != d.Namespace {
			t.Fatalf("%s: the container's variables are those of %s, not of %s", from, source.ConfigMapRef.Name, flags.Name)
		}
		maps.Copy(values, flags.Data)
	}
	c.Args = expand(c.Args, values)
	for i, arg := range c.Args {
		if file, ok := strings.CutPrefix(arg, "--config="); ok {
			c.Args = slices.Concat(c.Args[:i], fromFile(t, from, objects, d.Spec.Template.Spec, file), c.Args[i+1:])
			break
		}
	}
	return d, c
}

var variable = regexp.MustCompile(`\$\([A-Za-z_]\w*\)`)

// expand puts the values of variables into arguments, as the kubelet does.
func expand(args []string, values map[string]string) []string {
	expanded := slices.Clone(args)
	for i, arg := range expanded {
		expanded[i] = variable.ReplaceAllStringFunc(arg, func(v string) string {
			if value, ok := values[v[2:len(v)-1]]; ok {
				return value
			}
			return v
		})
	}
	return expanded
}

// flagsOf returns the values of a flag that the container is started with.
func flagsOf(c corev1.Container, name string) []string {
	var values []string
	for _, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// flagOf returns the one value of a flag.
func flagOf(t *testing.T, c corev1.Container, name string) string {
	t.Helper()
	values := flagsOf(c, name)
	if len(values) != 1 {
		t.Fatalf("--%s is given %d times", name, len(values))
	}
	return values[0]
}

func TestPodIsRestricted(t *testing.T) {
	for _, folder := range withCharts(hubFolders...) {
		d, c := pod(t, folder)
		spec := d.Spec.Template.Spec
		ns := named[*corev1.Namespace](t, folder, d.Namespace)
		if got := ns.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
			t.Errorf("%s: the namespace enforces %q", folder, got)
		}
		// Field by field what the restricted standard asks for, and a read-only
		// root besides.
		want := &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)),
			FSGroup: new(int64(65532)), FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		if diff := cmp.Diff(want, spec.SecurityContext); diff != "" {
			t.Errorf("%s: the Pod's security context (-want +got):\n%s", folder, diff)
		}
		wantContainer := &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
		if diff := cmp.Diff(wantContainer, c.SecurityContext); diff != "" {
			t.Errorf("%s: the container's security context (-want +got):\n%s", folder, diff)
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC || len(spec.InitContainers) > 0 {
			t.Errorf("%s: the Pod shares namespaces of its node, or has init containers", folder)
		}
		for _, v := range spec.Volumes {
			if v.Secret == nil && v.PersistentVolumeClaim == nil && v.ConfigMap == nil {
				t.Errorf("%s: volume %s is neither a Secret nor a claim nor the configuration", folder, v.Name)
			}
			if v.Secret != nil && *v.Secret.DefaultMode != 0o440 {
				t.Errorf("%s: volume %s has mode %o", folder, v.Name, *v.Secret.DefaultMode)
			}
		}
	}
}

func TestFleetIsWhereTheProgramLooks(t *testing.T) {
	for _, folder := range withCharts("base") {
		t.Run(folder, func(t *testing.T) { fleetIsWhereTheProgramLooks(t, folder) })
	}
}

func fleetIsWhereTheProgramLooks(t *testing.T, folder string) {
	t.Helper()
	d, c := pod(t, folder)
	dir, ok := strings.CutPrefix(flagOf(t, c, "clusters"), "dir:")
	if !ok {
		t.Fatalf("--clusters=%s", flagOf(t, c, "clusters"))
	}
	mount := mountOf(t, c, dir+"/paris.yaml")
	if mount.SubPath != "" || mount.MountPath != dir {
		t.Errorf("%+v: a file that is mounted with subPath is never updated", mount)
	}
	i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
	if source := d.Spec.Template.Spec.Volumes[i].Secret; source == nil || source.SecretName != "fairlead-fleet" || !*source.Optional {
		t.Errorf("%s is not the Secret fairlead-fleet, if there is one", dir)
	}
	for path, text := range files(t, "example/hub/fleet") {
		config, err := clientcmd.NewClientConfigFromBytes(text)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		raw, err := config.RawConfig()
		if err != nil {
			t.Fatal(err)
		}
		context := raw.Contexts[raw.CurrentContext]
		if context == nil || raw.Clusters[context.Cluster] == nil || raw.AuthInfos[context.AuthInfo] == nil || filepath.Ext(path) != ".yaml" {
			t.Errorf("%s: the current context %q leads nowhere", path, raw.CurrentContext)
		}
	}
	if mounted := d.Spec.Template.Spec.AutomountServiceAccountToken; mounted == nil || !*mounted {
		t.Error("hub.yaml names the Pod's token, which is not mounted")
	}
	if account := named[*corev1.ServiceAccount](t, folder, "fairlead"); d.Spec.Template.Spec.ServiceAccountName != account.Name {
		t.Errorf("the Pod runs as %s", d.Spec.Template.Spec.ServiceAccountName)
	}
}

// What an operator decides is not in what we ship, so that our next version cannot
// change it.
func TestOwnFlagsComeOnTop(t *testing.T) {
	for _, prefix := range []string{"", "chart/"} {
		ownFlagsComeOnTop(t, prefix)
	}
}

func ownFlagsComeOnTop(t *testing.T, prefix string) {
	t.Helper()
	_, base := pod(t, prefix+"base")
	_, own := pod(t, prefix+"example/hub")
	for _, arg := range base.Args {
		if i := slices.Index(own.Args, arg); i < 0 && !strings.HasPrefix(arg, "--watch=") && !strings.HasPrefix(arg, "--sink=") {
			t.Errorf("%s is lost", arg)
		}
	}
	want := map[string][]string{
		"clusters":      {"dir:/etc/fairlead/fleet"},
		"watch":         {"pods,deployments.apps", "configmaps?labelSelector=app=web,tier=front"},
		"sink":          {"file:/var/lib/fairlead/changes.jsonl"},
		"cluster-limit": {"paris=500:1000"},
		"dead-letter":   {"/var/lib/fairlead/dead-letters.jsonl"},
	}
	for flag, values := range want {
		if diff := cmp.Diff(values, flagsOf(own, flag)); diff != "" {
			t.Errorf("--%s (-want +got):\n%s", flag, diff)
		}
	}
	if !slices.Contains(own.Args, "--leader-elect") || own.Image != "registry.example/fairlead:v0.2.0" {
		t.Errorf("%s %v", own.Image, own.Args)
	}
	for folder, clusters := range map[string]string{
		"hub-secrets": "secrets:fairlead-clusters", "hub-clusterprofiles": "clusterprofiles:fairlead",
	} {
		_, c := pod(t, prefix+folder)
		if got := flagOf(t, c, "clusters"); got != clusters {
			t.Errorf("%s: --clusters=%s", folder, got)
		}
	}
}

func TestPortsMeet(t *testing.T) {
	for _, folder := range withCharts("base") {
		t.Run(folder, func(t *testing.T) { portsMeet(t, folder) })
	}
}

func portsMeet(t *testing.T, folder string) {
	t.Helper()
	d, c := pod(t, folder)
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
	service := named[*corev1.Service](t, folder, "fairlead")
	policy := named[*networkingv1.NetworkPolicy](t, folder, "fairlead")
	for _, selector := range []labels.Selector{
		labels.SelectorFromSet(service.Spec.Selector), labels.SelectorFromSet(d.Spec.Selector.MatchLabels),
		labels.SelectorFromSet(policy.Spec.PodSelector.MatchLabels),
	} {
		if selector.Empty() || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("%v does not select the Pod", selector)
		}
	}
	for _, p := range service.Spec.Ports {
		if ports[p.TargetPort.String()] == 0 {
			t.Errorf("the service leads to port %s, which the Pod does not have", p.TargetPort.String())
		}
	}
	if diff := cmp.Diff([]networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes); diff != "" {
		t.Errorf("what the policy is about (-want +got):\n%s", diff)
	}
	for _, rule := range policy.Spec.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) == 0 {
			t.Errorf("from anywhere, or to any port: %+v", rule)
		}
		for _, p := range rule.Ports {
			if ports[p.Port.String()] == 0 {
				t.Errorf("the policy opens port %s, which the Pod does not have", p.Port.String())
			}
		}
	}
	for _, rule := range policy.Spec.Egress {
		if len(rule.Ports) == 0 {
			t.Errorf("to any port: %+v", rule)
		}
		for _, p := range rule.Ports {
			if len(rule.To) == 0 && p.Port.IntValue() != 53 {
				t.Errorf("port %s is open to anywhere, link-local services included", p.Port.String())
			}
		}
		for _, to := range rule.To {
			if to.IPBlock == nil || len(to.IPBlock.Except) == 0 {
				t.Errorf("a cloud's link-local services are open: %+v", to)
			}
		}
	}
}

func TestLimitsFitTogether(t *testing.T) {
	for _, folder := range withCharts(hubFolders...) {
		d, c := pod(t, folder)
		drain, err := time.ParseDuration(flagOf(t, c, "drain-timeout"))
		if err != nil {
			t.Fatal(err)
		}
		// Seven parts of the program may take this long to stop, besides the drain.
		const parts, each = 7, 5 * time.Second
		if grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < drain+parts*each {
			t.Errorf("%s: the kubelet waits %v for a drain of %v and the %v that may follow", folder, grace, drain, parts*each)
		}
		one := *d.Spec.Replicas == 1 && d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
		if !one && !slices.Contains(c.Args, "--leader-elect") {
			t.Errorf("%s: two Pods could deliver at once", folder)
		}
		i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
		if i < 0 {
			t.Fatal("no GOMEMLIMIT")
		}
		soft := resource.MustParse(strings.TrimSuffix(c.Env[i].Value, "B"))
		hard := c.Resources.Limits[corev1.ResourceMemory]
		if share := soft.AsApproximateFloat64() / hard.AsApproximateFloat64(); share < 0.8 || share > 0.95 {
			t.Errorf("%s: GOMEMLIMIT is %.0f %% of the memory limit", folder, 100*share)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("%s: no requests", folder)
		}
	}
}
