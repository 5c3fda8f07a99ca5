//! The way of a request, stage by stage.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};

use crate::admission::{Admission, ConnFacts};
use crate::body::Body;
use crate::config::{Account, Config};
use crate::proof::Prover;
use crate::refusal::Refusal;
use crate::rewrite::{self, guard};
use crate::route::Routes;
use crate::session::Sessions;
use crate::upstream::Outgoing;
use crate::write_back::WriteBack;

/// What every request passes through.
#[derive(Debug)]
pub(super) struct Flow {
    rules: ArcSwap<Rules>,
    prover: Prover,
    sessions: Sessions,
}

/// What one configuration says about requests.
#[derive(Debug)]
pub struct Rules {
    admission: Admission,
    routes: Routes,
    write_back: WriteBack,
}

impl From<&Config> for Rules {
    fn from(config: &Config) -> Self {
        Self {
            admission: Admission::new(config),
            routes: Routes::new(config),
            write_back: WriteBack::new(config),
        }
    }
}

/// A request that may go on.
#[derive(Debug)]
pub struct Prepared {
    /// Whose session it uses.
    pub account: Arc<Account>,
    /// What is sent.
    pub outgoing: Outgoing,
    /// What matters for its answer.
    pub context: rewrite::Context,
}

impl Rules {
    /// Takes a request through the stages before its session.
    ///
    /// # Errors
    /// What the client is told.
    pub async fn prepare(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Result<Prepared, Refusal> {
        let (mut head, body) = request.into_parts();
        let admitted = self.admission.check(connection, &head)?;
        let plan = self.routes.resolve(connection, &admitted, &head)?;
        let mapped = self
            .write_back
            .request(&mut head, body, &admitted.base, &plan.account);
        let body = mapped.await?;
        let context = rewrite::Context::of(&head, admitted.base, &plan.account);
        context.ask_for_coding(&mut head.headers);
        let request = Request::from_parts(head, body);
        let origin = plan.account.api_origin.clone();
        Ok(Prepared {
            outgoing: Outgoing::new(request, origin, plan.credential),
            account: plan.account,
            context,
        })
    }
}

impl Flow {
    pub(super) fn new(sessions: Sessions, prover: Prover, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            rules: ArcSwap::from_pointee(Rules::from(config)),
            prover,
            sessions,
        })
    }

    /// Takes a changed configuration into use, from the next request on.
    pub(super) fn rule_by(&self, config: &Config) {
        self.rules.store(Arc::new(Rules::from(config)));
    }

    /// Answers one request, by Zendesk or by a refusal.
    pub(super) async fn serve(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Response<Body> {
        match self.pass(connection, request).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::info!(code = refusal.code(), "refused");
                refusal.into_response()
            }
        }
    }

    async fn pass(
        &self,
        connection: &ConnFacts,
        request: Request<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let rules = self.rules.load_full();
        if Prover::is_asked(&request) {
            let (head, _) = request.into_parts();
            rules.admission.check(connection, &head)?;
            return self.prover.answer(connection, &head);
        }
        let Prepared {
            account,
            outgoing,
            context,
        } = rules.prepare(connection, request).await?;
        let session = self
            .sessions
            .get(&account.name)
            .ok_or_else(|| Refusal::SignedOut(account.name.to_string()))?;
        let response = session.forward(outgoing).await?;
        Ok(guard::response(rewrite::response(response, &context)))
    }
}
