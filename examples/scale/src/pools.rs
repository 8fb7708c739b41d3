//! A day of pools: they are filled, and claims come one by one, as a gang, and all at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::day::Day;
use crate::measure::{Counters, Phase};
use crate::{Options, Result};

/// Where claims come one by one, so much time is between two of them: 30,000 a day.
const BETWEEN: Duration = Duration::from_millis(2857);

/// So many nodes a gang asks for.
const GANG: u32 = 20;

/// So many claims come at once, if there are so many nodes.
const AT_ONCE: u32 = 500;

/// How often it is looked which claims have their nodes.
const LOOK: Duration = Duration::from_millis(25);

/// A claim that is to come.
struct Coming {
    name: String,
    pool: String,
    count: u32,
}

impl Day {
    /// Lives it, with so many pools that share the nodes.
    pub async fn with_pools(
        &mut self,
        options: &Options,
        pools: u32,
        nodes: u32,
        told: &mut impl FnMut(Phase),
    ) -> Result<()> {
        let each = (nodes / pools).max(1);
        let all = each * pools + GANG;
        let before = Counters::read(self).await?;
        for number in 0..pools {
            self.pool(&format!("pool-{number}"), &format!("p{number}n"), each)?;
        }
        self.pool("gang", "gang", GANG)?;
        self.until("Ready", |day| day.counted("Ready", "True") == all).await?;
        let phase = before.until(&Counters::read(self).await?, "pools are filled", all);
        told(Phase { ideal: Some(options.ideal(all)), ..phase });
        sleep(Duration::from_secs(5)).await;
        told(self.rest("rest", all, options).await?);

        let claim = |name: String, number: u32| Coming { name, pool: format!("pool-{number}"), count: 1 };
        let one_by_one =
            (0..options.claims).map(|number| claim(format!("one-{number}"), number % pools)).collect();
        told(self.claims("claims one by one", one_by_one, BETWEEN).await?);
        let gang = Coming { name: "gang".into(), pool: "gang".into(), count: GANG };
        told(self.claims("a gang of 20", vec![gang], Duration::ZERO).await?);
        let at_once = (each * pools / 2).min(AT_ONCE);
        let at_once = (0..at_once).map(|number| claim(format!("many-{number}"), number % pools)).collect();
        told(self.claims("claims at once", at_once, Duration::ZERO).await?);

        let before = Counters::read(self).await?;
        for kind in ["testnodepools", "testnodeclaims"] {
            for object in self.site.cluster.list(kind, "") {
                self.site.cluster.delete(&object)?;
            }
        }
        let there = u32::try_from(self.site.cluster.list("testnodes", "").len())?;
        self.until("gone", |day| day.site.cluster.list("testnodes", "").is_empty()).await?;
        told(before.until(&Counters::read(self).await?, "deletion", there));
        Ok(())
    }

    fn pool(&self, name: &str, prefix: &str, min_ready: u32) -> Result<()> {
        self.site.cluster.put(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"minReady": min_ready, "max": 2 * min_ready, "namePrefix": prefix, "template": self.template()},
        }))?;
        Ok(())
    }

    /// Has claims come, and waits until each has its nodes. What is told of each is the time from its creation until then.
    async fn claims(&self, name: &'static str, claims: Vec<Coming>, between: Duration) -> Result<Phase> {
        let (before, of) = (Counters::read(self).await?, u32::try_from(claims.len())?);
        let (mut coming, mut waiting) = (claims.into_iter(), BTreeMap::new());
        let (began, mut due, mut took) = (Instant::now(), Instant::now(), Vec::new());
        while took.len() < of as usize {
            while due <= Instant::now()
                && let Some(claim) = coming.next()
            {
                self.site.cluster.put(json!({
                    "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodeClaim",
                    "metadata": {"name": claim.name, "namespace": "default"},
                    "spec": {"pool": {"name": claim.pool}, "count": claim.count},
                }))?;
                waiting.insert(claim.name, Instant::now());
                due += between;
            }
            for claim in self.site.cluster.list("testnodeclaims", "default") {
                let has = claim.pointer("/status/phase") == Some(&json!("Bound"));
                let name = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                took.extend(has.then(|| waiting.remove(name)).flatten().map(|since| since.elapsed()));
            }
            if began.elapsed() > self.patience {
                return Err(format!("{name}: {} of {of} have no nodes", waiting.len()).into());
            }
            sleep(LOOK).await;
        }
        let phase = before.until(&Counters::read(self).await?, name, of);
        Ok(Phase { delays: vec![("created to Bound", took)], ..phase })
    }
}
