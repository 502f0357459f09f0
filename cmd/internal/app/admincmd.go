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

// post asks for something and decodes an answer with one of the status codes
// in as. Any other answer is an error.
func (c *adminClient) post(ctx context.Context, path string, query url.Values, wait time.Duration, answer any, as ...int) error {
	base, err := url.Parse(c.address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("--admin %q is no URL; give it as http://HOST:PORT", c.address)
	}
	u := base.JoinPath(path)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeout(ctx, wait+answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return fmt.Errorf("--admin %q: %w", c.address, err)
	}
	if base.Scheme == "http" {
		req.Host = "localhost" // names are refused there, see fromHere
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("POST %s: %w; is fairlead run up there, with this --admin-bind-address? "+
			"Run this command where it runs, in its Pod for one, or name its address with --admin", u, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
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
		return fmt.Errorf("POST %s: what answers there (%s) is not the admin address of fairlead run; name that with --admin", u, resp.Status)
	}
	if len(refusal.Known) > 0 {
		return fmt.Errorf("%s; there are: %s", refusal.Error, strings.Join(refusal.Known, ", "))
	}
	return errors.New(refusal.Error)
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
			if err := c.post(cmd.Context(), "/replay", query, 0, &s, http.StatusOK, http.StatusAccepted); err != nil {
				return err
			}
			var said strings.Builder
			fmt.Fprintf(&said, "Replaying cluster %s: %d streams begin a snapshot\n", s.Cluster, s.Streams)
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
