package trace

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// managed is what an API server keeps of who owns which field, in a common size.
const managed = `{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:team":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"0f0e6b5c-7a8f-4c3e-9a1b-2d3c4e5f6a7b\"}":{}}},` +
	`"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{}}}}}`

// managedLease is the same of a Lease.
const managedLease = `{"f:metadata":{"f:ownerReferences":{}},"f:spec":{"f:holderIdentity":{},"f:leaseDurationSeconds":{},"f:renewTime":{}}}`

func (g *generator) meta(namespace, name, manager string) metav1.ObjectMeta {
	fields := managed
	if manager == "kubelet" {
		fields = managedLease
	}
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: g.newUID(), CreationTimestamp: g.time(),
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: new(g.time()), FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
		}},
	}
}

// node returns one with what a kubelet reports.
func (g *generator) node(i int) node {
	name := fmt.Sprintf("node-%03d", i)
	n := node{&corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: g.meta("", name, "kube-controller-manager")}}
	n.Labels = map[string]string{
		"beta.kubernetes.io/arch": "amd64", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
		"node.kubernetes.io/instance-type": "m6i.2xlarge", "topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": "eu-central-1" + string("abc"[i%3]),
	}
	n.Spec = corev1.NodeSpec{PodCIDR: fmt.Sprintf("10.%d.0.0/24", i), ProviderID: "aws:///eu-central-1a/i-0" + name}
	n.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("32386Mi"), "pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("104845292Ki")}
	n.Status.Allocatable = n.Status.Capacity
	for _, kind := range []corev1.NodeConditionType{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"} {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{
			Type: kind, Status: "False", Reason: "KubeletHasSufficient" + string(kind), Message: "kubelet has sufficient " + string(kind), LastHeartbeatTime: g.time(), LastTransitionTime: g.time(),
		})
	}
	n.Status.NodeInfo = corev1.NodeSystemInfo{
		MachineID: string(g.newUID()), SystemUUID: string(g.newUID()), BootID: string(g.newUID()), KernelVersion: "6.1.90-99.173.amzn2023.x86_64",
		OSImage: "Amazon Linux 2023", ContainerRuntimeVersion: "containerd://1.7.11", KubeletVersion: "v1.30.0", OperatingSystem: "linux", Architecture: "amd64",
	}
	for range 20 {
		n.Status.Images = append(n.Status.Images, g.image())
	}
	return n
}

func (g *generator) image() corev1.ContainerImage {
	return corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example/team/app@sha256:%016x%016x%016x%016x", g.random.Uint64(), g.random.Uint64(), g.random.Uint64(), g.random.Uint64())}, SizeBytes: 123456789}
}

// pod returns one of a workload on a node, which does not run yet.
func (g *generator) pod(n node) pod {
	g.pods++
	team := g.random.IntN(40)
	name := fmt.Sprintf("checkout-%02d-%010x-%05x", team, team*7919, g.pods)
	p := pod{&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: g.meta(fmt.Sprintf("team-%02d", team), name, "kube-controller-manager")}}
	p.Labels = map[string]string{"app": "checkout", "pod-template-hash": fmt.Sprintf("%010x", team*7919), "team": fmt.Sprintf("team-%02d", team)}
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "checkout", UID: "0f0e6b5c-7a8f-4c3e-9a1b-2d3c4e5f6a7b", Controller: new(true), BlockOwnerDeletion: new(true)}}
	p.Spec = corev1.PodSpec{
		NodeName: n.Name, ServiceAccountName: "default", SchedulerName: "default-scheduler", DNSPolicy: "ClusterFirst", RestartPolicy: "Always",
		TerminationGracePeriodSeconds: new(int64(30)), Priority: new(int32(0)), EnableServiceLinks: new(true),
		Volumes: []corev1.Volume{{Name: "kube-api-access-x2x4z", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(420))}}}},
		Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/team/checkout:v1.2.3", ImagePullPolicy: "IfNotPresent", TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: "File",
			Env:          []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "DATABASE_URL", Value: "postgres://db.example:5432/checkout"}},
			Resources:    corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")}},
			VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x2x4z", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}},
		}},
		Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: new(int64(300))}},
	}
	return p
}

// run has a pod run.
func (g *generator) run(p pod) {
	p.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "10.0.0.1", PodIP: "10.1.0.1", PodIPs: []corev1.PodIP{{IP: "10.1.0.1"}}, StartTime: new(g.time()), QOSClass: corev1.PodQOSBurstable,
		Conditions: g.conditions("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"),
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, Started: new(true), Image: p.Spec.Containers[0].Image, ImageID: "registry.example/team/checkout@sha256:0123456789abcdef",
			ContainerID: "containerd://" + string(p.UID), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: g.time()}},
		}},
	}
}

func (g *generator) conditions(kinds ...corev1.PodConditionType) (all []corev1.PodCondition) {
	for _, kind := range kinds {
		all = append(all, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: g.time()})
	}
	return all
}
