//! The request path, stage by stage.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};

use super::exports::{Export, Exports};
use crate::admission::Admission;
use crate::body::{Body, Budget, BudgetShare};
use crate::config::{Account, Config};
use crate::error_response::{ErrorResponse, KeyErrorResponse};
use crate::facts::{Admitted, ConnFacts, Local};
use crate::keys::{Key, Keys, RequestAuth};
use crate::proof::Prover;
use crate::rewrite::{self, Arrival, Origins, ScriptClient, leak_filter};
use crate::route::Routes;
use crate::session::{Sessions, TokenPolicy};
use crate::signpost;
use crate::telemetry;
use crate::upstream::{Credential, Outgoing};
use crate::write_back::WriteBack;

/// What every request passes through.
#[derive(Debug)]
pub(super) struct Pipeline {
    rules: ArcSwap<RequestRules>,
    prover: Prover,
    keys: Keys,
    sessions: Sessions,
    exports: Exports,
}

/// What one configuration says about requests.
#[derive(Debug)]
pub struct RequestRules {
    admission: Admission,
    routes: Routes,
    write_back: WriteBack,
    origins: Arc<Origins>,
}

impl RequestRules {
    /// The rules of `config`, with `keys` as the known local keys.
    pub fn new(config: &Config, keys: Keys) -> Self {
        let clock = keys.clock().clone();
        Self {
            admission: Admission::new(config, keys),
            routes: Routes::new(config, clock),
            write_back: WriteBack::new(config),
            origins: Origins::new(config),
        }
    }
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// The account whose session it uses.
    pub account: Arc<Account>,
    /// The local key that it carries.
    pub key: Option<Arc<Key>>,
    /// Which of the account's tokens it may carry.
    pub tokens: TokenPolicy,
    /// What is sent to Zendesk.
    pub outgoing: Outgoing,
    /// What rewriting its answer depends on.
    pub context: rewrite::Context,
}

impl RequestRules {
    /// Takes a request through the stages before the session.
    ///
    /// # Errors
    /// The refusal of the stage that stopped it.
    pub async fn prepare(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Result<Prepared, ErrorResponse> {
        let (mut head, body) = request.into_parts();
        let admitted = self.admission.check(connection, &mut head).await?;
        let key = self.routes.valid_key(&admitted)?;
        self.routes.squeeze(key, &mut head);
        let decision = self.routes.resolve(connection, &admitted, key, &head)?;
        let mut memory = BudgetShare::of(Budget::of(decision.limited_key.is_some()));
        if let (Some(key), Some(place)) = (decision.limited_key, &connection.place) {
            place.share(key).await;
        }
        let body = match key {
            Some(key) => key.guard(&head, body, &mut memory).await?,
            None => body,
        };
        let is_verbatim = admitted.exec.as_ref().is_some_and(|exec| exec.is_verbatim);
        let body = match is_verbatim {
            true => body,
            false => {
                let mapped = self.write_back.request(
                    &mut head,
                    body,
                    &admitted.base,
                    &decision.account,
                    decision.files,
                    &mut memory,
                );
                mapped.await?
            }
        };
        let client = client(connection, &admitted, &decision.account);
        let view = self.origins.view(client, &decision.account);
        let mut context = rewrite::Context::of(&head, view, decision.files);
        if is_verbatim {
            context = context.verbatim();
        }
        context.ask_for_coding(&mut head.headers);
        let request = Request::from_parts(head, body);
        Ok(Prepared {
            outgoing: Outgoing::within(
                decision.limited_key,
                memory,
                request,
                decision.origin,
                decision.credential,
            ),
            account: decision.account,
            key: admitted.key,
            tokens: decision.tokens,
            context,
        })
    }
}

impl Pipeline {
    pub(super) fn new(
        sessions: Sessions,
        keys: Keys,
        prover: Prover,
        exports: Exports,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            rules: ArcSwap::from_pointee(RequestRules::new(config, keys.clone())),
            prover,
            keys,
            sessions,
            exports,
        })
    }

    /// Applies a changed configuration, from the next request on.
    pub(super) fn set_config(&self, config: &Config) {
        let rules = RequestRules::new(config, self.keys.clone());
        self.rules.store(Arc::new(rules));
    }

    /// Answers one request, with Zendesk's answer or a refusal.
    pub(super) async fn serve(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Response<Body> {
        match self.pass(connection, request).await {
            Ok(response) => response,
            Err(refusal) => {
                telemetry::refused(connection.peer.whom(), refusal.code());
                self.shows_the_way(connection, &refusal)
                    .unwrap_or_else(|| refusal.into_response())
            }
        }
    }

    /// If a user opened one of Zendesk's pages here, shows its address at Zendesk.
    fn shows_the_way(
        &self,
        connection: &ConnFacts,
        refusal: &ErrorResponse,
    ) -> Option<Response<Body>> {
        let ErrorResponse::Opened {
            account, target, ..
        } = refusal
        else {
            return None;
        };
        let routes = &self.rules.load().routes;
        let address = routes.at_zendesk(connection, account.clone(), target)?;
        Some(signpost::page(refusal, &address))
    }

    async fn pass(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Result<Response<Body>, ErrorResponse> {
        let rules = self.rules.load_full();
        if Prover::is_asked(&request) {
            let (mut head, _) = request.into_parts();
            match rules.admission.check(connection, &mut head).await {
                Ok(admitted) => drop(rules.routes.valid_key(&admitted)?),
                // It has no effect, and the command line has no key.
                Err(ErrorResponse::Key(KeyErrorResponse::NeededOverTcp)) => {}
                Err(refusal) => return Err(refusal),
            }
            return self.prover.answer(connection, &head);
        }
        let export = Export::of(request.uri().path());
        let prepared = rules.prepare(connection, request).await?;
        let name = &prepared.account.name;
        let used = prepared
            .key
            .as_deref()
            .map_or(RequestAuth::Keyless(name), RequestAuth::Key);
        self.keys.note_use(used, &connection.caller);
        let session = self
            .sessions
            .get(name)
            .ok_or_else(|| ErrorResponse::SignedOut(name.to_string()))?;
        let tokens = prepared.tokens;
        let export = export.filter(|_| prepared.outgoing.credential() == Credential::Injected);
        let (head, body) = session
            .forward_by(tokens, prepared.outgoing)
            .await?
            .into_parts();
        let response = Response::from_parts(head, body.begun().await);
        if let Some(export) = export {
            let role = session.view().person.and_then(|person| person.role);
            let is_admin = role.as_deref() == Some("admin");
            let (status, caller) = (response.status(), &connection.caller);
            self.exports.note(name, export, status, is_admin, caller);
        }
        Ok(leak_filter::response(rewrite::response(
            response,
            &prepared.context,
        )))
    }
}

/// What rewriting needs to know about a client, so that it can follow the links in its answer.
fn client(connection: &ConnFacts, admitted: &Admitted, account: &Account) -> ScriptClient {
    ScriptClient {
        base: admitted.base.as_str().into(),
        at: match &connection.local {
            Local::Tcp { addr } if account.port == Some(addr.port()) => Arrival::Own,
            Local::Tcp { .. } => Arrival::Shared,
            Local::Unix => Arrival::Unix,
        },
        names_account: admitted.account.is_some(),
        has_key: admitted.key.is_some(),
    }
}

#[cfg(test)]
mod tests;
