"""Words of crypto and finance as VADER weighs words: -4 (worst) to 4 (best), 0 where its own weight is wrong.

VADER's lexicon was rated by people reading tweets, for whom a share is kind and a trust is good. The weights here were
written from what the words mean to a holder, not fitted to any labelled file, so that every such file can judge them.
"""

from collections.abc import Mapping
from types import MappingProxyType

_BY_WEIGHT: Mapping[float, str] = {
    3.0: "skyrocket skyrockets skyrocketed skyrocketing moon mooning",
    2.5: """
        bullish surge surges surged surging soar soars soared soaring rally rallies rallied rallying breakout ath
        outperform outperforms outperformed
    """,
    2.0: """
        bull bulls rebound rebounds rebounded recover recovers recovered recovery recovering climb climbs climbed
        climbing jump jumps jumped spike spikes spiked boost boosts boosted boosting milestone approve approves approved
        approval adopt adopts adopted adoption inflow inflows upside gain gains gained profit profits profitable
        oversubscribed hodl all-time
    """,
    1.5: """
        raise raises raised raising funding investment invest invests invested partner partners partnership partnered
        partnering collaborate collaborates collaboration integrate integrates integrated integration upgrade upgrades
        upgraded accumulate accumulates accumulation accumulating rise rises rising rose expand expands expanded
        expansion expanding grow grows grew growing growth acquire acquires acquired acquisition secure secures secured
        hits tops reach reaches reached record doubles doubled triples tripled buyback donate donates donated
    """,
    1.0: """
        launch launches launched launching unveil unveils unveiled list lists listed listing listings introduce
        introduces introduced accept accepts accepted accepting enable enables enabled buy buys bought purchase
        purchases purchased add adds join joins joined announce announces announced debut debuts airdrop airdrops
        reward rewards staking mainnet license licensed licence support supports supported backed backs rollout
        innovation innovative empower empowers
    """,
    0.0: """
        share shares shared interest trust united security securities bond bonds credit energy asset assets value
        values demand demands block blocks free fun like token tokens stake stakes treasure treasury play plays party
        certified safe top playing please well super hand hands key true intelligence chance
        playful festival friend friends gold natural legal legally cut battle fight fighting
    """,
    -1.0: """
        warn warns warned warning concern concerns volatile volatility uncertainty uncertain delay delays delayed
        postpone postpones postponed regulator regulators restrict restricts restricted restriction restrictions
        scrutiny sanction sanctions sanctioned criticize criticizes criticized oppose opposes opposed reject rejects
        rejected debt inflation
    """,
    -1.5: """
        drop drops dropped dropping fall falls fell falling decline declines declined declining dip dips dipped slide
        slides slid sliding sink sinks sank sinking retreat retreats lose loses lost losing loss losses outflow outflows
        correction resign resigns resigned halt halts halted suspend suspends suspended suspension shut shuts shutdown
        down outage outages offline downtime probe probes probed investigate investigates investigated investigation
        underperform weak weakness fear fears fud
    """,
    -2.0: """
        bear bears slump slumps slumped tumble tumbles tumbled tumbling ban bans banned banning crackdown lawsuit
        lawsuits sue sues sued fine fined fines penalty penalties delist delists delisted delisting liquidate
        liquidated liquidation liquidations dump dumps dumped dumping layoff layoffs vulnerability vulnerabilities bug
        leak leaks leaked breach breached illegal illicit seize seizes seized charges charged accuse accuses accused
        allegation allegations alleged arrest arrests arrested selloff sell-off
    """,
    -2.5: """
        bearish plunge plunges plunged plunging plummet plummets plummeted plummeting crash crashes crashed crashing
        collapse collapses collapsed hack hacks hacked hacker hackers exploit exploits exploited attack attacks
        attacked attacker attackers steal steals stole stolen theft drain drained drains insolvent insolvency bankrupt
        bankruptcy fraud fraudulent scam scams scammed scammer scammers ponzi phishing ransomware malware laundering
        launder indicted indictment jailed prison criminal criminals bubble
    """,
    -3.0: "rugpull rug-pull rugged",
}

CRYPTO_LEXICON: Mapping[str, float] = MappingProxyType(
    {word: weight for weight, words in _BY_WEIGHT.items() for word in words.split()}
)
"""Lower-case word → weight. VADER scales what it finds in a text to [-1, 1] itself."""
