package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// adminClient talks to a running program.
type adminClient struct{ address string }

func (c *adminClient) addFlag(f *pflag.FlagSet) {
	f.StringVar(&c.address, "admin", "http://"+defaultAdminAddress, "where the running program's --admin-bind-address can be reached")
}

// answerWithin is how long the program may take beyond what it is told to wait.
const answerWithin = 10 * time.Second

// post asks for something and decodes an answer with one of the status codes in as. Any
// other answer is an error. A follower's is that the leader is to be asked: then post
// does, once, and says on stderr whom it asks.
func (c *adminClient) post(ctx context.Context, stderr io.Writer, path string, query url.Values, wait time.Duration, answer any, as ...int) error {
	base, err := url.Parse(c.address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("--admin %q is no URL; give it as http://HOST:PORT", c.address)
	}
	send := func(to *url.URL) error {
		u := to.JoinPath(path)
		u.RawQuery = query.Encode()
		return postTo(ctx, u, wait, answer, as)
	}
	err = send(base)
	follower, ok := errors.AsType[*followerError](err)
	if !ok {
		return err
	}
	if base.Scheme == "https" {
		return fmt.Errorf("%w; it is not asked, since --admin is https, and its own address is not", err)
	}
	leader, why := follower.leader.adminOf(ctx)
	if why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	if _, err := fmt.Fprintf(stderr, "%s follows; asking the leader at %s\n", base.Host, leader); err != nil {
		return err
	}
	return send(leader)
}

// postTo sends one request.
func postTo(ctx context.Context, u *url.URL, wait time.Duration, answer any, as []int) error {
	ctx, cancel := context.WithTimeout(ctx, wait+answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return fmt.Errorf("POST %s: %w", u, err)
	}
	if u.Scheme == "http" {
		req.Host = "localhost" // names are refused there, see fromHere
	}
	resp, err := adminHTTP().Do(req)
	if err != nil {
		return fmt.Errorf("POST %s: %w; is fairlead run up there, with this --admin-bind-address? "+
			"Run this command where it runs, in its Pod for one, or name its address with --admin", u, plain(err))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("POST %s: read the answer: %w", u, err)
	}
	if slices.Contains(as, resp.StatusCode) {
		if err := json.Unmarshal(body, answer); err == nil {
			return nil
		}
	}
	var refusal adminError
	if err := json.Unmarshal(body, &refusal); err != nil || refusal.Error == "" {
		return fmt.Errorf("POST %s: what answers there (status %d) is not the admin address of fairlead run; name that with --admin", u, resp.StatusCode)
	}
	if len(refusal.Known) > 0 {
		return errors.New(visible(refusal.Error + "; there are: " + strings.Join(refusal.Known, ", ")))
	}
	err = errors.New(visible(refusal.Error))
	if refusal.Leader != nil {
		return &followerError{err, *refusal.Leader}
	}
	return err
}

func newReplayCommand() *cobra.Command {
	var c adminClient
	var cluster, resource string
	cmd := &cobra.Command{
		Use:   "replay --cluster NAME",
		Short: "Have a running program deliver the current state of a cluster again",
		Long: "Has a running program deliver the current state of all objects of a cluster again,\n" +
			"marked as snapshot, without a restart. It returns when that has begun, and names what\n" +
			"cannot be replayed now, such as a resource that the cluster does not serve.",
		Example: "  fairlead replay --cluster edge-1 --resource deployments.apps",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster == "" {
				return errors.New("which cluster? Give --cluster NAME")
			}
			query := url.Values{"cluster": {cluster}}
			if resource != "" {
				query.Set("resource", resource)
			}
			var s replayStatus
			if err := c.post(cmd.Context(), cmd.ErrOrStderr(), "/replay", query, 0, &s, http.StatusOK, http.StatusAccepted); err != nil {
				return err
			}
			var said strings.Builder
			fmt.Fprintf(&said, "Replaying cluster %s: %d streams begin a snapshot\n", printable(s.Cluster), s.Streams)
			for _, w := range s.Waiting {
				fmt.Fprintf(&said, "%s cannot, and begins one when it can: %s\n", printable(w.Stream), printable(w.Reason))
			}
			_, err := io.WriteString(cmd.OutOrStdout(), said.String())
			return err
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the member's name; required")
	cmd.Flags().StringVar(&resource, "resource", "", "one resource of it, with its group, such as deployments.apps (default: all that are followed)")
	c.addFlag(cmd.Flags())
	return cmd
}
