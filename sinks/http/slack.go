package httpsink

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// slackEscaper escapes what Slack's markup begins with:
// https://docs.slack.dev/messaging/formatting-message-text#escaping
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack sends a message for each change. It names the object and holds nothing of it.
func slack() *wire {
	return &wire{
		single: true, contentType: "application/json",
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			text := slackEscaper.Replace(redact.Line(summary(c), 2000))
			return append(row(append(dst, '{')).text("text", text), '}'), nil
		},
		setup: ofSlack,
	}
}

// ofSlack reads what Slack says of a webhook:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
func ofSlack(_ int, _ http.Header, answer []byte) string {
	switch string(bytes.TrimSpace(answer)) {
	case "action_prohibited", "posting_to_general_channel_denied":
		return "the workspace does not let the webhook post there: ask its administrator"
	case "invalid_token", "no_service", "no_service_id", "no_team", "channel_not_found":
		return "there is no such webhook any more, or its channel is gone: make another one, and write its path into path-file"
	case "team_disabled":
		return "the workspace is disabled: ask its administrator"
	case "channel_is_archived":
		return "the channel is archived: make a webhook for another one, and write its path into path-file"
	}
	return ""
}
