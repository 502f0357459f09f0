package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

func newLeaseCommand(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease",
		Short: "Delete the Lease that leader election has made, once Fairlead is removed",
		Long: "Leader election makes a Lease in the hub, and leaves it there for the next leader. Where\n" +
			"there will be none, because Fairlead is removed, this command deletes it.",
	}
	return parent(cmd, newLeaseDeleteCommand(o))
}

// leaseDeleteCommand is fairlead lease delete.
type leaseDeleteCommand struct {
	hubKubeconfig, podNamespace, selector string
	timeout                               time.Duration
	bestEffort                            bool
}

func newLeaseDeleteCommand(o Options) *cobra.Command {
	c := &leaseDeleteCommand{}
	cmd := &cobra.Command{
		Use:   "delete NAMESPACE/NAME",
		Short: "Delete a Lease when no Pod can lead by it any more",
		Long: "Waits until none of the Pods is left, those that still end included. Then it deletes the\n" +
			"Lease if its last holder has released it, or has not renewed it for as long as the Lease is\n" +
			"valid. It deletes the Lease as it has seen it, and no later one. A Lease that somebody renews\n" +
			"stays: another program leads by it.\n" +
			"\n" +
			"The chart runs this after helm uninstall. The account needs to list Pods in their namespace,\n" +
			"and to get and delete the Lease.\n" +
			"\n" +
			"The exit code is 0 if there is no such Lease in the end, and 1 otherwise.",
		Example: "  fairlead lease delete fairlead/fairlead\n" +
			"  fairlead lease delete platform/events --pod-namespace events --selector app.kubernetes.io/instance=events",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := c.run(cmd.Context(), cmd.OutOrStdout(), o, args[0])
			if failed, ok := errors.AsType[*leaseStaysError](err); ok && c.bestEffort {
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), failed)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.hubKubeconfig, "hub-kubeconfig", "", "kubeconfig file whose current context is the hub (default: the account of the Pod that this runs in, or as kubectl has it)")
	f.StringVar(&c.podNamespace, "pod-namespace", "", "namespace of the Pods (default: that of the Lease)")
	f.StringVar(&c.selector, "selector", "app.kubernetes.io/name=fairlead", "label selector of the Pods")
	f.DurationVar(&c.timeout, "timeout", 2*time.Minute, "how long to wait for Pods to end, and for the Lease to expire, together")
	f.BoolVar(&c.bestEffort, "best-effort", false, "exit with 0 also where the Lease stays; the reason is printed")
	return cmd
}

// leaseStaysError is why a Lease has not been deleted, though the command was well-formed.
type leaseStaysError struct {
	namespace, name string
	err             error // which says what to do, if hub is false
	hub             bool  // it is known where the hub is
}

// Error says what to do as well.
func (e *leaseStaysError) Error() string {
	text := fmt.Sprintf("the Lease %s/%s stays: %v", e.namespace, e.name, e.err)
	if e.hub {
		text += fmt.Sprintf(". If no Fairlead uses it, delete it: kubectl --namespace=%s delete lease %s", e.namespace, e.name)
	}
	return text
}

// Unwrap returns the reason.
func (e *leaseStaysError) Unwrap() error { return e.err }

func (c *leaseDeleteCommand) run(ctx context.Context, out io.Writer, o Options, lease string) error {
	namespace, name, err := c.parse(lease)
	if err != nil {
		return err
	}
	hub, err := fleet.LoadHub(c.hubKubeconfig)
	if err != nil {
		return &leaseStaysError{namespace: namespace, name: name, err: err}
	}
	stays := func(err error) error { return &leaseStaysError{namespace, name, err, true} }
	hub.UserAgent = "fairlead/" + o.Version
	r, err := newLeaseRemoval(hub, namespace, name, c.podNamespace)
	if err != nil {
		return stays(err)
	}
	r.selector = c.selector
	r.say = func(format string, args ...any) error {
		_, err := fmt.Fprintln(out, ctl.Visible(fmt.Sprintf(format, args...)))
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("gave up after %v", c.timeout))
	defer cancel()
	if err := r.run(ctx); err != nil {
		return stays(errors.New(ctl.Visible(redact.New(hub.BearerToken, hub.Password).Text(err))))
	}
	return nil
}

// parse checks the arguments. It fills in the namespace of the Pods.
func (c *leaseDeleteCommand) parse(lease string) (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(lease, "/")
	if !ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", "", fmt.Errorf("%q names no Lease; write NAMESPACE/NAME", lease)
	}
	if c.podNamespace == "" {
		c.podNamespace = namespace
	}
	if wrong := validation.IsDNS1123Label(c.podNamespace); len(wrong) > 0 {
		return "", "", fmt.Errorf("--pod-namespace: %q cannot be a namespace: %s", c.podNamespace, strings.Join(wrong, "; "))
	}
	// Without a selector it would wait for all Pods of the namespace, that of this command included.
	if selector, err := labels.Parse(c.selector); err != nil || selector.Empty() {
		return "", "", fmt.Errorf("--selector: %q selects no labels; write for example app.kubernetes.io/name=fairlead", c.selector)
	}
	if c.timeout <= 0 {
		return "", "", errors.New("--timeout must be more than 0")
	}
	return namespace, name, nil
}

// newLeaseRemoval connects to nothing.
func newLeaseRemoval(hub *rest.Config, namespace, name, podNamespace string) (*leaseRemoval, error) {
	own := rest.CopyConfig(hub)
	own.Timeout = leaseRequestTimeout
	own.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := rest.HTTPClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	leases, err := coordinationclient.NewForConfigAndClient(own, client)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	pods, err := corev1client.NewForConfigAndClient(own, client)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub: %w", err)
	}
	return &leaseRemoval{
		leases: leases.Leases(namespace), pods: pods.Pods(podNamespace), lease: namespace + "/" + name, name: name, patience: leasePatience,
	}, nil
}
