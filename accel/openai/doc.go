// Package openai asks model servers that speak OpenAI's protocol for embeddings and chat: OpenAI itself,
// vLLM, TEI, llama.cpp, Ollama, LiteLLM and their like.
//
// A [Client] is a model at an address; it satisfies [accel.Embedder] and [accel.Generator]. It sends one
// request per Embed and never repeats one: retries, rates and bisection are the business of
// [accel.Batcher].
//
// Of Freshet's packages it may import accel and accel/rest.
//
// # Invariants
//
//   - A reply is taken whole or not at all: one finite vector of the model's dimension for each text,
//     put in order by its index. Everything else is an [accel.Error] of kind Malformed.
//   - What a server sends is bounded before it is read.
//   - The key goes to the configured host and nowhere else: not to another host by a redirect, not into
//     an error, a log or a dump (see [rest.Secret]).
//
// # Concurrency
//
// A Client is safe for concurrent use. It starts no goroutines but those of its idle connections, which
// [Client.Close] ends.
//
// # Errors
//
// Embed returns an [*accel.Error], or the error of its context when that ended first.
package openai
