package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testkubelet"
)

// patience bounds every wait for something that must come about.
const patience = 2 * time.Minute

// accountDir is where a Pod finds its account's token.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

var programDir string

// program builds fairlead, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-deploy-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "fairlead")
	output, err := exec.Command("go", "build", "-o", path, "../cmd/fairlead").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build fairlead: %w: %s", err, output)
	}
	return path, nil
})

func removeProgram() error {
	if programDir == "" {
		return nil
	}
	return os.RemoveAll(programDir)
}

// kubelet runs the Pod of the Deployment in a cluster, as far as that can be done
// without containers: what the API server admits as a Pod, the program with its
// arguments and variables, the volumes as folders, the account's token.
type kubelet struct {
	client  *kubernetes.Clientset
	config  *rest.Config
	volumes string // a folder for each claim, named by its UID, as long as this test

	// node, if there is one, has the API server read the Pods' logs, and reach their ports.
	node *testkubelet.Node
}

func newKubelet(t *testing.T, c *testenv.Cluster, client *kubernetes.Clientset) *kubelet {
	t.Helper()
	// So that the test's cached result depends on what the program is built from.
	for _, folder := range []string{"cmd", "internal", "pipeline", "ratelimit", "sinks", "sources"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &kubelet{client: client, config: c.Config(), volumes: t.TempDir()}
}

// runningPod is a Pod of a kubelet.
type runningPod struct {
	t    *testing.T
	args []string
	data string // what is mounted at /var/lib/fairlead
	log  string
	stop func() // as when the Pod is deleted

	// refresh brings the Secrets that are mounted, as they are now.
	refresh func(ctx context.Context)

	// rightless is set where its account goes before it ends, so that it may end with an error.
	rightless bool

	name   string
	health string // the address of its probes, where the kubelet has a node
}

// start runs the Pod that the Deployment asks for now.
func (k *kubelet) start(ctx context.Context, t *testing.T) *runningPod {
	t.Helper()
	d, err := k.client.AppsV1().Deployments("fairlead").Get(ctx, "fairlead", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// PodSecurity looks at Pods, not at Deployments.
	spec, admin, health := d.Spec.Template.Spec, "0", "0"
	if k.node != nil {
		spec.NodeName, admin, health = testkubelet.NodeName, freeAddress(t), freeAddress(t)
	}
	created, err := k.client.CoreV1().Pods(d.Namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "fairlead-", Labels: d.Spec.Template.Labels}, Spec: spec,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("the API server does not admit the Pod: %v", err)
	}
	dir := t.TempDir()
	// The machine's ports are not a Pod's own, nor is where the hub is found.
	command, paths := k.container(ctx, t, created, dir, "--metrics-bind-address=0", "--health-probe-bind-address="+health, "--admin-bind-address="+admin)
	p := &runningPod{t: t, name: created.Name, args: command.Args[1:], data: paths["/var/lib/fairlead"], log: filepath.Join(dir, "log"), health: health}
	p.refresh = func(ctx context.Context) {
		for _, mount := range created.Spec.Containers[0].VolumeMounts {
			i := slices.IndexFunc(created.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
			if v := created.Spec.Volumes[i]; v.Secret != nil {
				k.mount(ctx, t, v, filepath.Join(dir, mount.Name), paths)
			}
		}
	}
	process, err := child.Start("fairlead", command, p.log)
	if err != nil {
		t.Fatal(err)
	}
	if k.node != nil {
		k.node.Run(created.Namespace, created.Name, testkubelet.Process{Log: p.log, Address: admin})
		created.Status.Phase = corev1.PodRunning
		if _, err := k.client.CoreV1().Pods(d.Namespace).UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	grace := time.Duration(*created.Spec.TerminationGracePeriodSeconds) * time.Second
	p.stop = sync.OnceFunc(func() {
		if err := process.Stop(grace); err != nil && !p.rightless {
			t.Errorf("the Pod does not end well: %v\n%s", err, read(t, p.log))
		}
		if k.node != nil {
			k.node.End(created.Namespace, created.Name)
		}
		background := context.WithoutCancel(ctx)
		if err := k.client.CoreV1().Pods(d.Namespace).Delete(background, created.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// freeAddress returns an address of this machine that stays free as long as the test.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Release() })
	return fmt.Sprintf("127.0.0.1:%d", port.Number)
}

// container returns the command of the Pod's container, to which arguments are added that
// fit this machine, and the folders that are mounted in it.
func (k *kubelet) container(ctx context.Context, t *testing.T, created *corev1.Pod, dir string, more ...string) (*exec.Cmd, map[string]string) {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	container := created.Spec.Containers[0]
	environment := k.environment(ctx, t, created, container)
	paths := map[string]string{accountDir: k.account(ctx, t, created, filepath.Join(dir, "account"))}
	for _, mount := range container.VolumeMounts {
		i := slices.IndexFunc(created.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		paths[mount.MountPath] = k.mount(ctx, t, created.Spec.Volumes[i], filepath.Join(dir, mount.Name), paths)
	}
	k.configuration(t, created, paths)
	args := expand(container.Args, environment)
	args = append(append(args, more...), "--hub-kubeconfig="+k.hub(t, paths[accountDir]))
	if args[0] != "lease" { // which is given all namespaces
		args = append(args, "--leader-election-namespace="+created.Namespace)
	}
	for i := range args {
		for path, host := range paths {
			args[i] = strings.ReplaceAll(args[i], path, host)
		}
	}
	command := exec.Command(binary, args...) // stopped as a Pod is
	command.Dir = paths["/var/lib/fairlead"]
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command, paths
}

// configuration puts the folders that volumes are into files of the configuration.
func (k *kubelet) configuration(t *testing.T, pod *corev1.Pod, paths map[string]string) {
	t.Helper()
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if pod.Spec.Volumes[i].ConfigMap == nil {
			continue
		}
		for path, text := range files(t, paths[mount.MountPath]) {
			for inPod, host := range paths {
				text = []byte(strings.ReplaceAll(string(text), inPod, host))
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// environment returns the container's variables.
func (k *kubelet) environment(ctx context.Context, t *testing.T, pod *corev1.Pod, c corev1.Container) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, source := range c.EnvFrom {
		flags, err := k.client.CoreV1().ConfigMaps(pod.Namespace).Get(ctx, source.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(values, flags.Data)
	}
	fields := map[string]string{"metadata.name": pod.Name, "metadata.namespace": pod.Namespace, "status.podIP": "127.0.0.1"}
	for _, v := range c.Env {
		values[v.Name] = v.Value
		if v.ValueFrom != nil {
			values[v.Name] = fields[v.ValueFrom.FieldRef.FieldPath]
		}
	}
	return values
}

// account writes what the kubelet mounts of the Pod's account, with a token of it.
func (k *kubelet) account(ctx context.Context, t *testing.T, pod *corev1.Pod, dir string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}
	token, err := k.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string][]byte{"token": []byte(token.Status.Token), "ca.crt": k.config.CAData, "namespace": []byte(pod.Namespace)})
	return dir
}

// hub writes a kubeconfig for what the program finds by itself in a Pod.
func (k *kubelet) hub(t *testing.T, account string) string {
	t.Helper()
	text := k.inPod(files(t, "example/hub/fleet")["example/hub/fleet/hub.yaml"], account)
	writeFiles(t, account+"-hub", map[string][]byte{"hub.yaml": text})
	return filepath.Join(account+"-hub", "hub.yaml")
}

// inPod puts what a kubeconfig means in a Pod into it.
func (k *kubelet) inPod(kubeconfig []byte, account string) []byte {
	return []byte(strings.NewReplacer("https://kubernetes.default.svc", k.config.Host, accountDir, account).Replace(string(kubeconfig)))
}

// mount returns the folder that a volume is.
func (k *kubelet) mount(ctx context.Context, t *testing.T, v corev1.Volume, dir string, paths map[string]string) string {
	t.Helper()
	switch {
	case v.Secret != nil:
		secret, err := k.client.CoreV1().Secrets("fairlead").Get(ctx, v.Secret.SecretName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && v.Secret.Optional != nil && *v.Secret.Optional {
			secret, err = &corev1.Secret{}, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		content := map[string][]byte{}
		for key, value := range secret.Data {
			content[key] = k.inPod(value, paths[accountDir])
		}
		writeFiles(t, dir, content)
	case v.PersistentVolumeClaim != nil:
		claim, err := k.client.CoreV1().PersistentVolumeClaims("fairlead").Get(ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(k.volumes, string(claim.UID))
		writeFiles(t, dir, nil)
	case v.ConfigMap != nil:
		file, err := k.client.CoreV1().ConfigMaps("fairlead").Get(ctx, v.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		content := map[string][]byte{}
		for key, value := range file.Data {
			content[key] = []byte(value)
		}
		writeFiles(t, dir, content)
	case v.EmptyDir != nil:
		writeFiles(t, dir, nil)
	default:
		t.Fatalf("volume %s is of a kind that this kubelet does not know", v.Name)
	}
	return dir
}

func writeFiles(t *testing.T, dir string, content map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// event is of an event what these tests look at.
type event struct {
	Type, Cluster, Kind, Name string
}

// events returns what the file sink on the Pod's volume holds.
func (p *runningPod) events() []event {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.data, "changes.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	var events []event
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// await waits for an event that fits.
func (p *runningPod) await(what string, fits func(event) bool) {
	p.t.Helper()
	err := wait.PollUntilContextTimeout(p.t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return slices.ContainsFunc(p.events(), fits), nil
	})
	if err != nil {
		p.t.Fatalf("%s: no such event\n%s", what, read(p.t, p.log))
	}
}
