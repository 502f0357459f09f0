package trace

import (
	"fmt"
	"maps"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	kubeletRenews   = 10 * time.Second
	componentRenews = 2 * time.Second
	apiServerRenews = 10 * time.Second
	statusReported  = 5 * time.Minute
	eventLife       = time.Hour
	newImages       = 10 // one start of so many
)

type (
	lease     struct{ *coordinationv1.Lease }
	node      struct{ *corev1.Node }
	pod       struct{ *corev1.Pod }
	podsEvent struct{ *corev1.Event }
)

func (l lease) version(v string)     { l.ResourceVersion = v }
func (l lease) uid() string          { return string(l.UID) }
func (n node) version(v string)      { n.ResourceVersion = v }
func (n node) uid() string           { return string(n.UID) }
func (p pod) version(v string)       { p.ResourceVersion = v }
func (p pod) uid() string            { return string(p.UID) }
func (e podsEvent) version(v string) { e.ResourceVersion = v }
func (e podsEvent) uid() string      { return string(e.UID) }

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// populate has the cluster be there.
func (g *generator) populate() {
	for i := range g.o.Nodes {
		n := g.node(i)
		g.show(&g.trace.Nodes, "ADDED", n)
		g.every(statusReported, func() {
			for i := range n.Status.Conditions {
				n.Status.Conditions[i].LastHeartbeatTime = g.time()
			}
			g.show(&g.trace.Nodes, "MODIFIED", n)
		})
		g.renews("kube-node-lease", n.Name, n.Name, 40, kubeletRenews)
		for range g.o.PodsPerNode {
			p := g.pod(n)
			g.run(p)
			g.show(&g.trace.Pods, "ADDED", p)
			g.in(g.life(), func() { g.end(p, n) })
		}
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		g.renews("kube-system", name, name+"-0_"+string(g.newUID()), 15, componentRenews)
	}
	for i := range 3 {
		g.renews("kube-system", fmt.Sprintf("apiserver-%016d", i), fmt.Sprintf("apiserver-%016d_%s", i, g.newUID()), 3600, apiServerRenews)
	}
}

// renews has a lease renewed at intervals.
func (g *generator) renews(namespace, name, holder string, seconds int32, interval time.Duration) {
	l := lease{&coordinationv1.Lease{TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, ObjectMeta: g.meta(namespace, name, "kubelet")}}
	l.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds}
	renew := func(kind string) {
		l.Spec.RenewTime = &metav1.MicroTime{Time: g.now.Truncate(time.Microsecond)}
		g.show(&g.trace.Leases, kind, l)
	}
	renew("ADDED")
	g.every(interval, func() { renew("MODIFIED") })
}

// life is how long a pod lives: as many end in each second, whatever their age.
func (g *generator) life() time.Duration {
	return time.Duration(g.random.ExpFloat64() * float64(g.o.PodLife))
}

// replace starts a pod on a node, which shows step by step.
func (g *generator) replace(n node) {
	p := g.pod(n)
	p.Spec.NodeName, p.Status = "", corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBurstable}
	g.show(&g.trace.Pods, "ADDED", p)
	g.tell(p, "SuccessfulCreate", "Created pod: "+p.Name)
	g.in(100*time.Millisecond, func() {
		p.Spec.NodeName = n.Name
		p.Status.Conditions = g.conditions("PodScheduled")
		g.show(&g.trace.Pods, "MODIFIED", p)
		g.tell(p, "Scheduled", fmt.Sprintf("Successfully assigned %s/%s to %s", p.Namespace, p.Name, n.Name))
	})
	g.in(time.Second, func() {
		p.Status.Conditions = g.conditions("PodReadyToStartContainers", "Initialized", "PodScheduled")
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", Image: p.Spec.Containers[0].Image, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}
		g.show(&g.trace.Pods, "MODIFIED", p)
		g.tell(p, "Pulled", "Container image already present on machine")
		if g.random.IntN(newImages) == 0 {
			n.Status.Images[g.random.IntN(len(n.Status.Images))] = g.image()
			g.show(&g.trace.Nodes, "MODIFIED", n)
		}
	})
	g.in(3*time.Second, func() {
		g.tell(p, "Created", "Created container app")
		g.tell(p, "Started", "Started container app")
		g.run(p)
		g.show(&g.trace.Pods, "MODIFIED", p)
		g.in(g.life(), func() { g.end(p, n) })
	})
}

// end ends a pod, and starts another one in its place.
func (g *generator) end(p pod, n node) {
	p.DeletionTimestamp = new(g.time())
	g.show(&g.trace.Pods, "MODIFIED", p)
	g.tell(p, "Killing", "Stopping container app")
	g.in(time.Second, func() { g.replace(n) })
	g.in(2*time.Second, func() {
		p.Status.Phase, p.Status.Conditions = corev1.PodSucceeded, g.conditions("PodReadyToStartContainers", "Initialized", "PodScheduled")
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: g.time()}}
		g.show(&g.trace.Pods, "MODIFIED", p)
	})
	g.in(3*time.Second, func() { g.show(&g.trace.Pods, "DELETED", p) })
}

// tell makes an event of a pod, which is gone after an hour.
func (g *generator) tell(p pod, reason, message string) {
	e := podsEvent{&corev1.Event{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: g.meta(p.Namespace, fmt.Sprintf("%s.%016x", p.Name, g.random.Uint64()), "kubelet"),
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID, APIVersion: "v1", ResourceVersion: p.ResourceVersion, FieldPath: "spec.containers{app}",
		},
		Reason: reason, Message: message, Type: corev1.EventTypeNormal, Count: 1,
		Source:         corev1.EventSource{Component: "kubelet", Host: p.Spec.NodeName},
		FirstTimestamp: g.time(), LastTimestamp: g.time(), ReportingController: "kubelet", ReportingInstance: p.Spec.NodeName,
	}}
	g.show(&g.trace.Events, "ADDED", e)
	g.in(eventLife, func() { g.show(&g.trace.Events, "DELETED", e) })
}

func (g *generator) time() metav1.Time { return metav1.Time{Time: g.now.Truncate(time.Second)} }

func (g *generator) newUID() types.UID {
	a, b := g.random.Uint64(), g.random.Uint64()
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0xfff, b&0xffffffffffff))
}
