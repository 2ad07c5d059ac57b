package agent

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"pss/remote/api"
	"pss/remote/client"
	"pss/remote/platform"
)

const (
	// questionTime bounds how long an answer is waited for.
	questionTime = 5 * time.Minute
	// pollTime bounds how long a cmdlet waits for a question at a time.
	pollTime = 25 * time.Second
)

// asking reports whether a question waits for its answer.
func (k *asker) asking() bool { return k.waiting.Load() > 0 }

// tell shows a line to whoever waits.
func (k *asker) tell(text string) {
	select {
	case k.questions <- &question{Question: api.Question{Kind: api.QuestionNotice, Text: text}}:
	default: // somebody who does not listen misses it
	}
}

func (k *asker) confirm(ctx context.Context, text string) bool {
	answer, err := k.ask(ctx, api.QuestionConfirm, text)
	return err == nil && !answer.Cancelled && isYes(answer.Text)
}

func isYes(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return text == "y" || text == "yes"
}

// ask asks and waits for the answer, until ctx ends or the cmdlet has left.
func (k *asker) ask(ctx context.Context, kind api.QuestionKind, text string) (api.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	q := &question{Question: api.Question{ID: randomText(), Kind: kind, Text: text}, answer: make(chan api.Answer, 1), over: ctx}
	k.waiting.Add(1)
	defer k.waiting.Add(-1)
	select {
	case k.questions <- q:
	case <-ctx.Done():
		return api.Answer{Cancelled: true}, ctx.Err()
	case <-k.gone:
		return api.Answer{Cancelled: true}, nil
	}
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
		return api.Answer{Cancelled: true}, ctx.Err()
	case <-k.gone:
		return api.Answer{Cancelled: true}, nil
	}
}

func randomText() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// askpass returns the environment in which an ssh asks through us, and what ends that.
func (a *Agent) askpass(k *asker) (env []string, end func()) {
	token := randomText()
	program, err := platform.SelfFor()
	if err != nil {
		return nil, func() {}
	}
	a.askers.mu.Lock()
	a.askers.tokens[token] = k
	a.askers.mu.Unlock()
	env = []string{
		"SSH_ASKPASS=" + program, "SSH_ASKPASS_REQUIRE=force",
		api.AskpassVariable + "=" + token + ":" + a.paths.AgentSocket(),
	}
	return env, func() {
		a.askers.mu.Lock()
		delete(a.askers.tokens, token)
		a.askers.mu.Unlock()
	}
}

func (a *Agent) questionRoutes(handle func(method, path string, f serve)) {
	plain := func(f client.Handler) serve {
		return func(w http.ResponseWriter, r *http.Request, _ *clientSession) (any, error) { return f(w, r) }
	}
	handle(http.MethodGet, api.RouteQuestions, plain(a.handleQuestion))
	handle("", api.RouteAnswer, plain(a.handleAnswer))
	handle(http.MethodPost, api.RouteAskpass, plain(a.handleAskpass))
}

// handleQuestion gives the cmdlet its next question, or none after a while.
func (a *Agent) handleQuestion(_ http.ResponseWriter, r *http.Request) (any, error) {
	k := a.askers.find(r.PathValue("caller"))
	if k == nil {
		return &api.Question{}, nil
	}
	t := time.NewTimer(pollTime)
	defer t.Stop()
	select {
	case q := <-k.questions:
		if q.ID != "" {
			a.askers.waitFor(q)
		}
		return &q.Question, nil
	case <-t.C:
	case <-k.gone:
	case <-r.Context().Done():
	}
	return &api.Question{}, nil
}

// handleAnswer takes the answer of a question that was fetched, or waits with no body
// until it is withdrawn.
func (a *Agent) handleAnswer(w http.ResponseWriter, r *http.Request) (any, error) {
	q := a.askers.fetched(r.PathValue("question"))
	if q == nil {
		return struct{}{}, nil // it was withdrawn
	}
	if r.Method == http.MethodGet {
		select {
		case <-q.over.Done():
		case <-r.Context().Done():
		}
		return struct{}{}, nil
	}
	var answer api.Answer
	if err := client.ReadBody(w, r, &answer); err != nil {
		return nil, err
	}
	select {
	case q.answer <- answer:
	default: // it has one
	}
	return struct{}{}, nil
}

// handleAskpass asks what an ssh wants to know.
func (a *Agent) handleAskpass(w http.ResponseWriter, r *http.Request) (any, error) {
	var req api.AskpassRequest
	if err := client.ReadBody(w, r, &req); err != nil {
		return nil, err
	}
	a.askers.mu.Lock()
	k := a.askers.tokens[req.Token]
	a.askers.mu.Unlock()
	if k == nil {
		return &api.Answer{Cancelled: true}, nil
	}
	answer, err := k.ask(r.Context(), kindOf(req.Prompt, req.Hint), req.Prompt)
	if err != nil {
		answer.Cancelled = true
	}
	return &answer, nil
}

// kindOf tells what sort of answer ssh wants: it says so only for some.
func kindOf(prompt, hint string) api.QuestionKind {
	switch {
	case hint == "none":
		return api.QuestionNotice
	case hint == "confirm":
		return api.QuestionConfirm
	case strings.Contains(prompt, "(yes/no"):
		return api.QuestionText
	}
	return api.QuestionSecret
}
