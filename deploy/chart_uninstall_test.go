package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/testkubelet"
)

// uninstall runs helm uninstall while a Pod of the release still leads, and meanwhile does
// what the controllers and the kubelet of a real cluster do of the Job that Helm makes: the
// program runs with the arguments and the account of the Job's Pod. The Job does not end, and
// the Lease stays, before the Pod of the release has ended. It returns what Helm prints.
func (r *release) uninstall(k *kubelet, node *testkubelet.Node, leading *runningPod) string {
	r.t.Helper()
	jobs := r.client.BatchV1().Jobs("fairlead")
	w, err := jobs.Watch(r.ctx, metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Stop()
	helm := r.startsHelm("uninstall", "fairlead", "--namespace=fairlead", "--kubeconfig="+r.kubeconfig)
	defer func() { _ = helm.Kill() }()
	var job *batchv1.Job
	for job == nil {
		select {
		case event := <-w.ResultChan():
			if made, ok := event.Object.(*batchv1.Job); ok && event.Type == watch.Added {
				job = made
			}
		case <-helm.Exited():
			r.t.Fatalf("Helm makes no Job:\n%s", read(r.t, helm.Log()))
		}
	}
	pod := r.podOf(job)
	command, _ := k.container(r.ctx, r.t, pod, r.t.TempDir())
	process, err := child.Start("the Pod of the Job", command, filepath.Join(r.t.TempDir(), "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = process.Kill() }()
	node.Run(pod.Namespace, pod.Name, testkubelet.Process{Log: process.Log()})
	r.awaits("the Job to wait for the Pod", func() bool {
		return strings.Contains(read(r.t, process.Log()), "Pods are left: fairlead/"+leading.name)
	})
	if _, err := r.client.CoordinationV1().Leases("fairlead").Get(r.ctx, "fairlead", metav1.GetOptions{}); err != nil {
		r.t.Errorf("a Pod leads by the Lease: %v", err)
	}
	leading.rightless = true
	leading.stop()
	r.awaits("the Job's Pod to end", func() bool { return isClosed(process.Exited()) })
	if code := process.ExitCode(); code != 0 {
		r.t.Errorf("the Pod of the Job: exit code %d\n%s", code, read(r.t, process.Log()))
	}
	node.End(pod.Namespace, pod.Name)
	now := metav1.Now()
	job.Status = batchv1.JobStatus{StartTime: &job.CreationTimestamp, CompletionTime: &now, Succeeded: 1, UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{}, Ready: new(int32(0)), Terminating: new(int32(0))}
	for _, condition := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now, LastProbeTime: now})
	}
	if _, err := jobs.UpdateStatus(r.ctx, job, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	r.awaits("Helm to end", func() bool { return isClosed(helm.Exited()) })
	printed := read(r.t, helm.Log())
	if code := helm.ExitCode(); code != 0 {
		r.t.Errorf("helm uninstall: exit code %d\n%s", code, printed)
	}
	// As the garbage collector does, after the Job.
	if err := r.client.CoreV1().Pods("fairlead").Delete(r.ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		r.t.Error(err)
	}
	return printed
}

// podOf makes the Pod of a Job, as the controller does. The API server admits it in the
// restricted namespace.
func (r *release) podOf(job *batchv1.Job) *corev1.Pod {
	r.t.Helper()
	template := job.Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.GenerateName = job.Name + "-"
	pod.Labels["job-name"] = job.Name
	pod.Spec.NodeName = testkubelet.NodeName
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
	made, err := r.client.CoreV1().Pods(job.Namespace).Create(r.ctx, pod, metav1.CreateOptions{})
	if err != nil {
		r.t.Fatalf("the API server does not admit the Pod of the Job: %v", err)
	}
	return made
}

// startsHelm starts Helm as testhelm.Run does, with a log of all that it prints.
func (r *release) startsHelm(args ...string) *child.Process {
	r.t.Helper()
	home := r.t.TempDir()
	command := exec.Command(r.program, args...)
	command.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	for _, folder := range []string{"CACHE", "CONFIG", "DATA"} {
		command.Env = append(command.Env, "HELM_"+folder+"_HOME="+filepath.Join(home, folder))
	}
	process, err := child.Start("helm", command, filepath.Join(home, "log"))
	if err != nil {
		r.t.Fatal(err)
	}
	return process
}

// awaits waits until something is so.
func (r *release) awaits(what string, isSo func() bool) {
	r.t.Helper()
	err := wait.PollUntilContextTimeout(r.ctx, 50*time.Millisecond, patience, true, func(context.Context) (bool, error) { return isSo(), nil })
	if err != nil {
		r.t.Fatalf("wait for %s: %v", what, err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
